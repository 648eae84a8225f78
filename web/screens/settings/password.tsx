import { type FormEvent, useRef } from 'react'
import { changePassword } from '../../api/people.ts'
import { useAct } from '../../parts/act.ts'
import { Button } from '../../parts/button.tsx'
import { sentenceOf } from '../../parts/notes.tsx'
import { Panel } from '../../parts/panel.tsx'
import styles from './settings.module.css'

export function Password({ hasOne }: { hasOne: boolean }) {
  const form = useRef<HTMLFormElement>(null)
  const change = useAct(changePassword, ['session'])
  const submit = (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault()
    const fields = new FormData(event.currentTarget)
    const current = String(fields.get('current') ?? '')
    change.mutate(
      { password: String(fields.get('password') ?? ''), ...(hasOne && { current_password: current }) },
      { onSuccess: () => form.current?.reset() },
    )
  }
  return (
    <Panel title={hasOne ? 'Change your password' : 'Set a password'} pad>
      <form ref={form} className={styles.form} onSubmit={submit}>
        {hasOne && (
          <label className={styles.field}>
            The password until now
            <input name="current" type="password" autoComplete="current-password" required />
          </label>
        )}
        <label className={styles.field}>
          The new password, 12 characters or more
          <input name="password" type="password" autoComplete="new-password" required minLength={12} />
        </label>
        {change.error && (
          <p role="alert" className={styles.error}>
            {sentenceOf(change.error)}
          </p>
        )}
        {change.isSuccess && <p role="status">It is changed; your other sessions have ended.</p>}
        <Button type="submit" look="main" disabled={change.isPending}>
          {hasOne ? 'Change it' : 'Set it'}
        </Button>
      </form>
    </Panel>
  )
}
