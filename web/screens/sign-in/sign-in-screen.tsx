// Sign in: by a one-time link, which the address carries behind its #, by password, with an API key, or with the identity
// provider of the installation.
import { useMutation, useQuery } from '@tanstack/react-query'
import { useNavigate, useSearch } from '@tanstack/react-router'
import { type FormEvent, useEffect, useRef, useState } from 'react'
import { queryClient } from '../../api/query-client.ts'
import { getSignIn, sessionQuery, signIn } from '../../api/session.ts'
import { Button } from '../../parts/button.tsx'
import { sentenceOf } from '../../parts/notes.tsx'
import styles from './sign-in.module.css'

/** Only a path of this console: a link must not lead people elsewhere once they have signed in. */
const safeNext = (next: string | undefined): string =>
  next !== undefined && /^\/(?![/\\])/.test(next) && !next.startsWith('/sign-in') ? next : '/'

export function SignInScreen() {
  const { next } = useSearch({ from: '/sign-in' })
  const navigate = useNavigate()
  const [way, setWay] = useState<'key' | 'password'>('key')
  const attempt = useMutation({
    mutationFn: (credential: Parameters<typeof signIn>[0]) => signIn(credential),
    onSuccess: async () => {
      await queryClient.fetchQuery({ ...sessionQuery, staleTime: 0 })
      const [path = '/', search = ''] = safeNext(next).split('?')
      await navigate({ href: search ? `${path}?${search}` : path })
    },
  })
  useLink(attempt.mutate)
  const submit = (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault()
    const fields = new FormData(event.currentTarget)
    const text = (name: string) => String(fields.get(name) ?? '')
    attempt.mutate(
      way === 'key' ? { api_key: text('api_key').trim() } : { email: text('email'), password: text('password') },
    )
  }
  return (
    <main className={styles.screen}>
      <form className={styles.card} onSubmit={submit}>
        <h1>Sign in to Runyard</h1>
        <Provider next={next} />
        <fieldset className={styles.ways}>
          <legend className={styles.legend}>With</legend>
          {(['key', 'password'] as const).map((one) => (
            <label key={one}>
              <input type="radio" name="way" checked={way === one} onChange={() => setWay(one)} />
              {one === 'key' ? 'An API key' : 'E-mail and password'}
            </label>
          ))}
        </fieldset>
        {way === 'key' ? <Field name="api_key" label="API key" type="password" /> : <PasswordFields />}
        {attempt.error && (
          <p role="alert" className={styles.error}>
            {sentenceOf(attempt.error)}
          </p>
        )}
        <Button look="main" type="submit" disabled={attempt.isPending}>
          {attempt.isPending ? 'Signing in …' : 'Sign in'}
        </Button>
        <p className={styles.hint}>
          The first start of a node prints a link that signs you in, and a key. Invitations are links too: open them
          here.
        </p>
      </form>
    </main>
  )
}

/** What the server appends to the address when the identity provider did not let somebody in. */
const PROBLEMS = new Map([
  ['provider_failed', 'The identity provider did not confirm who you are. Try again.'],
  ['not_admitted', 'Nobody has given you a role here yet. Ask an admin to invite you.'],
  ['email_taken', 'Somebody else here has your e-mail address. Ask an admin.'],
])

function Provider({ next }: { next: string | undefined }) {
  const { data } = useQuery({
    queryKey: ['sign-in methods'],
    queryFn: ({ signal }) => getSignIn({}, { signal }),
    retry: false,
  })
  const [code] = useState(() => /(?:^#|&)error=([\w]+)/.exec(location.hash)?.[1])
  if (!data?.oidc) return null
  const { issuer, url } = data.oidc
  return (
    <>
      {code !== undefined && (
        <p role="alert" className={styles.error}>
          {PROBLEMS.get(code) ?? `Signing in with the identity provider failed: ${code}.`}
        </p>
      )}
      <a className={styles.provider} href={`${url}?return_to=${encodeURIComponent(safeNext(next))}`}>
        Sign in with {hostOf(issuer)}
      </a>
      <p className={styles.or}>or</p>
    </>
  )
}

function hostOf(issuer: string): string {
  try {
    return new URL(issuer).host
  } catch {
    return issuer
  }
}

const PasswordFields = () => (
  <>
    <Field name="email" label="E-mail" type="email" complete="username" />
    <Field name="password" label="Password" type="password" complete="current-password" />
  </>
)

type FieldProps = { name: string; label: string; type: string; complete?: string }

const Field = ({ name, label, type, complete = 'off' }: FieldProps) => (
  <label className={styles.field}>
    {label}
    <input name={name} type={type} autoComplete={complete} required spellCheck={false} />
  </label>
)

/** A link's secret stands behind the #, which no server and no proxy sees; it leaves the address at once. */
function useLink(open: (credential: { link_token: string }) => void): void {
  const opened = useRef(false)
  useEffect(() => {
    const token = /(?:^#|&)token=([^&]+)/.exec(location.hash)?.[1]
    if (token === undefined || opened.current) return
    opened.current = true
    history.replaceState(history.state, '', location.pathname + location.search)
    open({ link_token: decodeURIComponent(token) })
  }, [open])
}
