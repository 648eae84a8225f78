// A button whose act can be taken back for a few seconds: it is sent after that, and not at all when the dialog closes.
import { useEffect, useRef, useState } from 'react'
import { Button } from './button.tsx'

const UNDO_SECS = 5

type UndoableProps = { verb: string; disabled: boolean; act: () => void }

export function Undoable({ verb, disabled, act }: UndoableProps) {
  const [leftSecs, setLeftSecs] = useState<number | undefined>()
  const latest = useRef(act)
  useEffect(() => {
    latest.current = act
  })
  useEffect(() => {
    if (leftSecs === undefined) return
    const timer = setTimeout(() => {
      if (leftSecs > 1) return setLeftSecs(leftSecs - 1)
      setLeftSecs(undefined)
      latest.current()
    }, 1_000)
    return () => clearTimeout(timer)
  }, [leftSecs])
  if (leftSecs !== undefined)
    return (
      <>
        <span role="status">Begins in {leftSecs} s</span>
        <Button look="main" onClick={() => setLeftSecs(undefined)}>
          Undo
        </Button>
      </>
    )
  return (
    <Button look="main" disabled={disabled} onClick={() => setLeftSecs(UNDO_SECS)}>
      {verb}
    </Button>
  )
}
