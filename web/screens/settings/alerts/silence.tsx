import { type Rule, updateRule } from '../../../api/alerts.ts'
import { useAct } from '../../../parts/act.ts'
import { Button } from '../../../parts/button.tsx'
import { DialogActions } from '../../../parts/dialog.tsx'
import { sentenceOf } from '../../../parts/notes.tsx'
import { Time } from '../../../parts/time.tsx'
import styles from '../settings.module.css'

const HOUR_MS = 3_600_000
const SPANS = [
  ['An hour', HOUR_MS],
  ['4 hours', 4 * HOUR_MS],
  ['A day', 24 * HOUR_MS],
  ['A week', 168 * HOUR_MS],
] as const

export function Silence({ rule, onClose }: { rule: Rule; onClose: () => void }) {
  const change = useAct(
    (silenced_until: string | null) => updateRule({ rule_id: rule.id, silenced_until }),
    ['alert rules'],
  )
  const silence = (until: string | null) => change.mutate(until, { onSuccess: onClose })
  return (
    <>
      <p>
        Alerts are still listed and logged, and nobody is told. What still holds when the silence ends is told then.
        {rule.silenced_until !== null && (
          <>
            {' '}
            It is silenced until <Time at={rule.silenced_until} />.
          </>
        )}
      </p>
      <div className={styles.row}>
        {SPANS.map(([words, ms]) => (
          <Button
            key={words}
            disabled={change.isPending}
            onClick={() => silence(new Date(Date.now() + ms).toISOString())}
          >
            {words}
          </Button>
        ))}
      </div>
      {change.error && (
        <p role="alert" className={styles.error}>
          {sentenceOf(change.error)}
        </p>
      )}
      <DialogActions>
        {rule.silenced_until !== null && (
          <Button disabled={change.isPending} onClick={() => silence(null)}>
            End the silence
          </Button>
        )}
        <Button onClick={onClose}>Close</Button>
      </DialogActions>
    </>
  )
}
