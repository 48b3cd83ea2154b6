// The network of an address: as much as events keep, of whatever is said to be one.
import t from 'tap'
import { networkNames, networkOf } from '../../../plugins/clients/network.ts'

t.test('an address is truncated to its network, whatever is said to be one', async (t) => {
  const networkOf = networkNames({ ipv4: 24, ipv6: 48 })
  const cases = {
    '203.0.113.77': '203.0.113.0/24',
    '::ffff:203.0.113.77': '203.0.113.0/24',
    '2001:db8:1:2:3::4': '2001:db8:1::/48',
    '::1': '::/48',
    '': '',
    unknown: '',
    '1.2.3.4\n5': '',
    ['9'.repeat(500)]: '',
  }
  for (const [address, network] of Object.entries(cases)) t.equal(networkOf(address), network, address.slice(0, 40))
  t.equal(networkNames({ ipv4: 32, ipv6: 128 })('203.0.113.77'), '203.0.113.77')
  t.equal(networkNames({ ipv4: 0, ipv6: 0 })('203.0.113.77'), '0.0.0.0/0')
  t.equal(networkNames({ ipv4: 20, ipv6: 0 })('203.0.113.77'), '203.0.112.0/20')
})

t.test('the network of an address, for limits', (t) => {
  t.equal(networkOf('192.0.2.1'), '192.0.2.1')
  t.equal(networkOf('::ffff:192.0.2.1'), '192.0.2.1')
  t.equal(networkOf('2001:DB8::1'), networkOf('2001:db8:0:0:ffff:ffff:ffff:ffff'))
  t.not(networkOf('2001:db8::1'), networkOf('2001:db8:0:1::1'))
  t.ok(networkOf('x'.repeat(10_000)).length <= 64)
  t.end()
})
