// A list of texts as a field, one on each line: names may hold commas and spaces.
import { useState } from 'react'

type LinesFieldProps = {
  label: string
  lines: readonly string[]
  onChange: (lines: string[]) => void
  placeholder?: string
}

const ROWS_MAX = 6

export function LinesField({ label, lines, onChange, placeholder }: LinesFieldProps) {
  const [text, setText] = useState(lines.join('\n'))
  const change = (next: string) => {
    setText(next)
    onChange([...new Set(next.split('\n').map((line) => line.trim()))].filter((line) => line !== ''))
  }
  return (
    <label>
      {label}
      <textarea
        rows={Math.min(ROWS_MAX, text.split('\n').length + 1)}
        value={text}
        placeholder={placeholder}
        spellCheck={false}
        onChange={({ target }) => change(target.value)}
      />
    </label>
  )
}
