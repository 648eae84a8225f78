// What stands in place of the buttons while an answer can still be taken back.
import { useNow } from '../../live/ticking.ts'
import { Button } from '../button.tsx'
import { type Answer, type HeldAnswer, sendAnswer, takeBackAnswer } from './held-answers.ts'

type HeldNoteProps = { inputId: string; held: HeldAnswer; hasKeys: boolean }

export function HeldNote({ inputId, held, hasKeys }: HeldNoteProps) {
  return (
    <>
      <span role="status">
        <HeldWords held={held} />
      </span>
      {held.state === 'held' && (
        <>
          <Button look="main" hint={hasKeys ? 'u' : undefined} onClick={() => takeBackAnswer(inputId)}>
            Undo
          </Button>
          <Button look="quiet" onClick={() => void sendAnswer(inputId)}>
            Send it now
          </Button>
        </>
      )}
    </>
  )
}

export function HeldWords({ held: { answer, state, sendsAtMs } }: { held: HeldAnswer }) {
  const nowMs = useNow()
  const leftSecs = Math.max(1, Math.ceil((sendsAtMs - nowMs) / 1_000))
  if (state === 'failed') return <>{verbOf(answer)}, but that was refused</>
  return <>{state === 'held' ? `${verbOf(answer)}; sent in ${leftSecs} s` : `${verbOf(answer)}; being sent`}</>
}

const verbOf = ({ approved }: Answer): string =>
  approved === undefined ? 'Answered' : approved ? 'Approved' : 'Refused'
