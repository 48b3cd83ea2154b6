// The one table of errors: the code, status and sentence of every refusal, and its word in OAuth's error bodies. Nothing else
// may be told to a client.

export interface ErrorEntry {
  status: number
  /** One sentence for the client. It never says more than the code does. */
  title: string
  /**
   * The error code on OAuth routes, of RFC 6749 section 5.2 or its extensions; `invalid_request` where absent. Section 5.2 has no
   * word for what is not the request's fault; those of section 4.1.2.1 are taken, which say so.
   */
  oauth?: string
}

/** Code, status and sentence of every error this gateway can answer with. docs/reference.md is tested against it. */
export const errorTable = {
  invalid_request: { status: 400, title: 'A part of the request is missing, unknown, repeated or malformed.' },
  path_not_canonical: { status: 400, title: 'The request path is not in its canonical form.' },
  invalid_grant: { status: 400, title: 'The refresh token is not valid; sign in again.', oauth: 'invalid_grant' },
  unsupported_grant_type: {
    status: 400,
    title: 'Only grant_type=refresh_token is supported here.',
    oauth: 'unsupported_grant_type',
  },
  invalid_scope: { status: 400, title: 'The scope asked for exceeds what was granted.', oauth: 'invalid_scope' },
  invalid_target: { status: 400, title: 'The resource asked for is not known here.', oauth: 'invalid_target' },
  weak_password: { status: 400, title: 'That password is too easy to guess; choose another.' },
  unauthenticated: { status: 401, title: 'This needs an access token.' },
  invalid_token: { status: 401, title: 'The access token is not valid.' },
  insufficient_user_authentication: { status: 401, title: 'This needs a sign-in that is more recent.' },
  invalid_credentials: { status: 401, title: 'The user name or password is not right.', oauth: 'invalid_grant' },
  forbidden: { status: 403, title: 'This access token does not allow that.' },
  insufficient_scope: { status: 403, title: 'This access token lacks a scope that is needed here.' },
  origin_refused: { status: 403, title: 'A cookie request must come from an allowed origin.' },
  service_worker_refused: { status: 403, title: 'This path gives no script of a service worker.' },
  target_refused: { status: 403, title: 'The request that was asked about would not be passed on here.' },
  not_found: { status: 404, title: 'There is nothing at this path.' },
  method_not_allowed: { status: 405, title: 'This path does not take that method.' },
  request_timeout: { status: 408, title: 'The request did not arrive in time.' },
  conflict: { status: 409, title: 'That exists already.' },
  last_administrator: { status: 409, title: 'This is the last administrator; make another one first.' },
  body_too_large: { status: 413, title: 'The body is larger than this path takes.' },
  target_too_long: { status: 414, title: 'The request target is too long.' },
  unsupported_media_type: { status: 415, title: 'This path does not take that content type.' },
  expectation_failed: { status: 417, title: 'That expectation is not supported.' },
  misdirected_request: { status: 421, title: 'This gateway does not answer for that host.' },
  too_many_requests: {
    status: 429,
    title: 'Too many attempts; wait and try again.',
    oauth: 'temporarily_unavailable',
  },
  headers_too_large: { status: 431, title: 'The request has too many or too large header fields.' },
  internal: {
    status: 500,
    title: 'The gateway failed; the failure is logged under this request id.',
    oauth: 'server_error',
  },
  method_not_implemented: { status: 501, title: 'That method is not implemented here.' },
  upgrade_refused: { status: 501, title: 'This gateway does not switch to that protocol.' },
  upstream_unreachable: { status: 502, title: 'The service behind the gateway could not be reached.' },
  upstream_bad_response: {
    status: 502,
    title: 'The service behind the gateway gave a response that is not valid HTTP.',
  },
  overloaded: {
    status: 503,
    title: 'The gateway is busy; try again shortly.',
    oauth: 'temporarily_unavailable',
  },
  upstream_unavailable: { status: 503, title: 'The service behind the gateway is away; try again shortly.' },
  store_unavailable: {
    status: 503,
    title: 'The session store is away; try again shortly.',
    oauth: 'temporarily_unavailable',
  },
  revocation_unknown: {
    status: 503,
    title: 'The gateway cannot tell now whether this session was revoked.',
    oauth: 'temporarily_unavailable',
  },
  stopping: { status: 503, title: 'This gateway is being stopped; ask another one.' },
  upstream_timeout: { status: 504, title: 'The service behind the gateway did not answer in time.' },
} as const satisfies Record<string, ErrorEntry>
