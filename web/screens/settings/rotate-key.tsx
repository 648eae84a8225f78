import { useState } from 'react'
import { rotateKey } from '../../api/calls.ts'
import { useAct } from '../../parts/act.ts'
import { Button } from '../../parts/button.tsx'
import { DialogActions } from '../../parts/dialog.tsx'
import { sentenceOf } from '../../parts/notes.tsx'
import { ShownOnce } from '../../parts/shown-once.tsx'
import styles from './settings.module.css'

const GRACES = [
  [0, 'ends at once'],
  [3_600, 'works for another hour'],
  [86_400, 'works for another day'],
  [604_800, 'works for another week'],
] as const

export function RotateKey({ keyId, onClose }: { keyId: string; onClose: () => void }) {
  const [graceSecs, setGraceSecs] = useState(3_600)
  const rotate = useAct(() => rotateKey({ key_id: keyId, grace_secs: graceSecs }), ['keys'])
  if (rotate.data) return <ShownOnce what="key" text={rotate.data.key} onClose={onClose} />
  return (
    <>
      <p>A new key with the same name, scopes and expiry is created.</p>
      <label className={styles.field}>
        The old key
        <select value={graceSecs} onChange={({ target }) => setGraceSecs(Number(target.value))}>
          {GRACES.map(([secs, words]) => (
            <option key={secs} value={secs}>
              {words}
            </option>
          ))}
        </select>
      </label>
      {rotate.error && (
        <p role="alert" className={styles.error}>
          {sentenceOf(rotate.error)}
        </p>
      )}
      <DialogActions>
        <Button onClick={onClose}>Close</Button>
        <Button look="main" disabled={rotate.isPending} onClick={() => rotate.mutate()}>
          Rotate
        </Button>
      </DialogActions>
    </>
  )
}
