// OpenID Connect: the authorization code flow with PKCE. What must come back unchanged waits in a cookie of the browser
// that began, so that nobody's answer can be slipped to somebody else.
import {
  allowInsecureRequests,
  authorizationCodeGrant,
  buildAuthorizationUrl,
  type Configuration,
  calculatePKCECodeChallenge,
  discovery,
  fetchUserInfo,
  randomNonce,
  randomPKCECodeVerifier,
  randomState,
} from 'openid-client'
import type { Admission, Identity } from '#access/people/identity-sign-in.ts'
import { own } from '#core/own.ts'

const TIMEOUT_SECS = 10
const GROUPS_MAX = 1_000

export type OidcSettings = Admission & {
  issuer: URL
  clientId: string
  clientSecret: string | undefined
  scopes: string
  /** The claim that lists the groups of a person. */
  groupsClaim: string
}

/** What a browser keeps between the beginning and the end. */
export type Begun = { state: string; nonce: string; verifier: string; returnTo: string }

export type Oidc = {
  settings: OidcSettings
  begin: (redirectUri: string, returnTo: string) => Promise<{ url: URL; begun: Begun }>
  /** Throws where the provider, or the browser, gave something else than was asked for. */
  finish: (answered: URL, begun: Begun) => Promise<Identity>
}

export function oidcClient(settings: OidcSettings): Oidc {
  const { issuer, clientId, clientSecret } = settings
  let found: Promise<Configuration> | undefined

  /** Asked for when somebody first signs in: a node starts while the provider is away. */
  function provider(): Promise<Configuration> {
    found ??= discovery(issuer, clientId, clientSecret, undefined, {
      timeout: TIMEOUT_SECS,
      // The settings allow plain http on this machine alone.
      execute: issuer.protocol === 'http:' ? [allowInsecureRequests] : [],
    }).catch((error: unknown) => {
      found = undefined
      throw error
    })
    return found
  }

  return {
    settings,
    async begin(redirectUri, returnTo) {
      const [state, nonce, verifier] = [randomState(), randomNonce(), randomPKCECodeVerifier()]
      const url = buildAuthorizationUrl(await provider(), {
        redirect_uri: redirectUri,
        scope: settings.scopes,
        state,
        nonce,
        code_challenge: await calculatePKCECodeChallenge(verifier),
        code_challenge_method: 'S256',
      })
      return { url, begun: { state, nonce, verifier, returnTo } }
    },
    async finish(answered, { state, nonce, verifier }) {
      const configuration = await provider()
      const tokens = await authorizationCodeGrant(configuration, answered, {
        expectedState: state,
        expectedNonce: nonce,
        pkceCodeVerifier: verifier,
        idTokenExpected: true,
      })
      const claims = tokens.claims()!
      const more = configuration.serverMetadata().userinfo_endpoint
        ? await fetchUserInfo(configuration, tokens.access_token, claims.sub)
        : {}
      return identityOf({ ...claims, ...more }, claims, settings)
    },
  }
}

function identityOf(
  all: Readonly<Record<string, unknown>>,
  { iss, sub }: { iss: string; sub: string },
  { groupsClaim }: OidcSettings,
): Identity {
  const { name, email, email_verified } = all
  const groups = own(all, groupsClaim) ?? []
  const named = (Array.isArray(groups) ? groups : [groups]).filter((it): it is string => typeof it === 'string')
  return {
    issuer: iss,
    subject: sub,
    name: typeof name === 'string' && name.trim() !== '' ? name.trim() : undefined,
    email: typeof email === 'string' && email_verified === true ? email : undefined,
    groups: named.slice(0, GROUPS_MAX),
  }
}
