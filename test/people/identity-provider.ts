// A real identity provider (oidc-provider) on this machine, and a browser that walks through its pages.
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { Provider } from 'oidc-provider'
import { onTestFinished } from 'vitest'

export type Person = { email?: string; email_verified?: boolean; name?: string; groups?: readonly string[] }
export type IdentityProvider = { issuer: string; people: Map<string, Person> }

export const CLIENT = { client_id: 'runyard', client_secret: 'a-secret-of-the-test' }

/** `people` by the name that they type in; they may be changed between two sign-ins. */
export async function identityProvider(redirectUri: string, host = '127.0.0.1'): Promise<IdentityProvider> {
  const people = new Map<string, Person>()
  let answer: (...args: Parameters<ReturnType<Provider['callback']>>) => unknown = () => {}
  const server = createServer((request, response) => void answer(request, response))
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  onTestFinished(() => {
    server.closeAllConnections()
    server.close()
  })
  const issuer = `http://${host}:${(server.address() as AddressInfo).port}`
  const provider = new Provider(issuer, {
    clients: [
      { ...CLIENT, redirect_uris: [redirectUri], response_types: ['code'], grant_types: ['authorization_code'] },
    ],
    claims: { openid: ['sub'], email: ['email', 'email_verified'], profile: ['name'], groups: ['groups'] },
    scopes: ['openid', 'email', 'profile', 'groups'],
    pkce: { required: () => true },
    cookies: { keys: ['a key of the test'] },
    findAccount: (_: unknown, id: string) => ({ accountId: id, claims: () => ({ sub: id, ...people.get(id) }) }),
  })
  answer = provider.callback()
  return { issuer, people }
}

/** Cookies by host, as a browser keeps them; what a page of one host sets is not sent to another. */
export type Jar = Map<string, Map<string, string>>

async function visit(jar: Jar, url: URL, form?: Record<string, string>): Promise<Response> {
  const cookies = jar.get(url.host) ?? new Map<string, string>()
  jar.set(url.host, cookies)
  const response = await fetch(url, {
    redirect: 'manual',
    headers: { cookie: [...cookies].map(([name, value]) => `${name}=${value}`).join('; ') },
    ...(form && { method: 'POST', body: new URLSearchParams(form) }),
  })
  for (const line of response.headers.getSetCookie()) {
    const [name = '', value = ''] = line.split(';', 1)[0]!.split(/=(.*)/s)
    if (value === '') cookies.delete(name)
    else cookies.set(name, value)
  }
  return response
}

/** Follows redirects, and fills in the forms of the provider as `login`, until `isThere`; answers that address. */
export async function browse(
  jar: Jar,
  from: string,
  { login, isThere }: { login: string; isThere: (url: URL) => boolean },
) {
  let url = new URL(from)
  let form: Record<string, string> | undefined
  for (let step = 0; step < 20; step++) {
    if (isThere(url)) return url
    const response = await visit(jar, url, form)
    form = undefined
    const location = response.headers.get('location')
    if (location) {
      url = new URL(location, url)
      continue
    }
    const page = await response.text()
    const [, action] = /<form[^>]* action="([^"]+)"/.exec(page) ?? []
    const [, prompt] = /name="prompt" value="(\w+)"/.exec(page) ?? []
    if (!action || !prompt) throw new Error(`${response.status} at ${url.href}: ${page.slice(0, 500)}`)
    url = new URL(action, url)
    form = prompt === 'login' ? { prompt, login, password: 'any' } : { prompt }
  }
  throw new Error(`too many steps; the last one led to ${url.href}`)
}
