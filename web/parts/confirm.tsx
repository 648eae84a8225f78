// A question before something that cannot be taken back, with what it will do, and room for a reason.
import { useState } from 'react'
import { Button } from './button.tsx'
import styles from './confirm.module.css'
import { Dialog, DialogActions } from './dialog.tsx'
import { sentenceOf } from './notes.tsx'

type ConfirmProps = {
  open: boolean
  onClose: () => void
  title: string
  /** What will happen. */
  children: React.ReactNode
  verb: string
  isDanger?: boolean
  asksReason?: boolean
  act: (reason: string | undefined) => Promise<unknown>
}

export function Confirm({
  open,
  onClose,
  title,
  children,
  verb,
  isDanger = false,
  asksReason = false,
  act,
}: ConfirmProps) {
  const [reason, setReason] = useState('')
  const [error, setError] = useState<unknown>()
  const [isBusy, setBusy] = useState(false)
  const close = () => {
    setError(undefined)
    setReason('')
    onClose()
  }
  const go = () => {
    setBusy(true)
    act(reason.trim() || undefined)
      .then(close, setError)
      .finally(() => setBusy(false))
  }
  return (
    <Dialog open={open} onClose={close} title={title}>
      <div>{children}</div>
      {asksReason && (
        <label className={styles.reason}>
          Why (kept in the log)
          <input value={reason} maxLength={500} onChange={({ target }) => setReason(target.value)} />
        </label>
      )}
      {error !== undefined && (
        <p role="alert" className={styles.error}>
          {sentenceOf(error)}
        </p>
      )}
      <DialogActions>
        <Button onClick={close}>Close</Button>
        <Button look={isDanger ? 'danger' : 'main'} onClick={go} disabled={isBusy}>
          {verb}
        </Button>
      </DialogActions>
    </Dialog>
  )
}
