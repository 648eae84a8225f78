// A secret in the dialog that made it: the server does not show it again.
import { Button } from './button.tsx'
import { Snippet } from './copy.tsx'
import { DialogActions } from './dialog.tsx'

type ShownOnceProps = { what: string; text: string; note?: string; onClose: () => void }

export function ShownOnce({ what, text, note, onClose }: ShownOnceProps) {
  return (
    <>
      <p role="status">
        Copy the {what} now: it is not shown again. {note}
      </p>
      <Snippet label={`Copy the ${what}`} text={text} />
      <DialogActions>
        <Button look="main" onClick={onClose}>
          Done
        </Button>
      </DialogActions>
    </>
  )
}
