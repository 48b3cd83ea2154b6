// A product as the histories see it: somebody signs in, presents refresh tokens and uses access tokens, all over HTTP. What
// a product calls these things stays in its adapter.

/** What a product gives at a sign-in and at a refresh. */
export interface TokenPair {
  refreshToken: string
  accessToken: string
}

/** A product that runs and listens on 127.0.0.1. */
export interface Product {
  /** With its version. */
  name: string
  /** For how long it honours a superseded refresh token here, ms; 0 when it has no such time. */
  windowMs: number
  /** Signs the owner in anew: every history has a session of its own. */
  signIn: () => Promise<TokenPair>
  /** Presents a refresh token. @returns undefined when it is refused */
  refresh: (refreshToken: string) => Promise<TokenPair | undefined>
  /** Presents an access token where the product takes one. @returns whether it was let in */
  use: (accessToken: string) => Promise<boolean>
  close: () => Promise<void>
}

/** How a product is started. */
export interface ProductModule {
  start: () => Promise<Product>
}
