// The reasons why a request to a protected route was refused, or what it had begun was ended.
import type { ReasonRow } from './row.ts'

export const requests = {
  gateway_failed: {
    meaning:
      'a request was refused because the gateway itself could not serve it (500, 503); `detail` has the code and why',
    title: 'The gateway could not serve',
    tone: 'alarm',
  },
  origin_refused: {
    meaning: 'a cookie request from a page of another origin',
    title: 'Page of another origin refused',
    tone: 'notice',
  },
  policy_refused: {
    meaning: 'a valid access token that lacks the role, scope or audience of the route',
    title: 'Not allowed by the route',
    tone: 'plain',
  },
  request_refused: {
    meaning: 'a request was refused for a reason that has no word of its own; `detail` has the code and why',
    title: 'Request refused',
    tone: 'plain',
  },
  response_broken: {
    meaning:
      'the response to a request broke off after it had begun: its service died, sent a bad chunk or went silent, or the client stopped sending; `detail` says which',
    title: 'Response broken off',
    tone: 'notice',
  },
  revocation_unknown: {
    meaning: 'a request was refused because this node could not tell who is revoked',
    title: 'Revocations not known',
    tone: 'alarm',
  },
  route_limited: {
    meaning: 'a request over the limit of its route',
    title: 'Over the limit of a route',
    tone: 'notice',
  },
  service_failed: {
    meaning:
      'a service could not be reached, had no room, or gave no response in time or none that can be passed on (502, 503, 504)',
    title: 'A service failed',
    tone: 'notice',
  },
  stream_cut: {
    meaning: 'what was under way ended because its session or access token was revoked, or its access token expired',
    title: 'Live stream cut',
    tone: 'plain',
  },
  token_expired: {
    meaning: 'an access token past its life',
    title: 'Access token expired',
    tone: 'plain',
  },
  token_foreign: {
    meaning: 'an access token of another issuer or for nobody here',
    title: 'Access token of another issuer',
    tone: 'notice',
  },
  token_forged: {
    meaning: 'an access token whose signature is wrong',
    title: 'Forged access token',
    tone: 'notice',
  },
  token_malformed: {
    meaning: 'something that is not an access token',
    title: 'Not an access token',
    tone: 'plain',
  },
  token_missing: {
    meaning: 'a protected route without an access token',
    title: 'No access token',
    tone: 'plain',
  },
  token_revoked: {
    meaning: 'an access token of a session that has ended',
    title: 'Access token of an ended session',
    tone: 'plain',
  },
} as const satisfies Record<string, ReasonRow>
