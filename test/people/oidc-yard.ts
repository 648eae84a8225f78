// A node whose people sign in with an identity provider.
import { createServer } from 'node:net'
import { type HttpYard, httpYard } from '../support/http-yard.ts'
import { CLIENT, type IdentityProvider, identityProvider } from './identity-provider.ts'

/** The redirect must be registered before the node listens, so that it is told its port. */
export async function freePort(): Promise<number> {
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as { port: number }
  await new Promise((resolve) => server.close(resolve))
  return port
}

/** `host`: the name of this machine that the provider has; with another one than the node's it is another site. */
export async function yardWithProvider(
  env: Record<string, string> = {},
  { host = '127.0.0.1' }: { host?: string } = {},
): Promise<HttpYard & { provider: IdentityProvider }> {
  const port = await freePort()
  const address = `http://127.0.0.1:${port}`
  const provider = await identityProvider(`${address}/v1/session/oidc/callback`, host)
  const yard = await httpYard({
    PORT: String(port),
    RUNYARD_PUBLIC_URL: address,
    RUNYARD_OIDC_ISSUER: provider.issuer,
    RUNYARD_OIDC_CLIENT_ID: CLIENT.client_id,
    RUNYARD_OIDC_CLIENT_SECRET: CLIENT.client_secret,
    RUNYARD_OIDC_SCOPES: 'openid email profile groups',
    ...env,
  })
  return { ...yard, provider }
}
