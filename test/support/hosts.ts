// The hosts that gateways of tests answer for: the names that tests write in their requests, and loopback ones.
import { OwnHosts } from '../../plugins/http-edge/own-hosts.ts'

/** Names of no port in particular. */
export const listedHosts = ['gateway', 'door', 'x', 'a', 'b', 'www.example']

/** For apps that are put together by a test. */
export const hostsOfTests = new OwnHosts({ issuer: 'https://gateway.test', listed: listedHosts, loopback: true })
