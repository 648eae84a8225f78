// Find and do: screens, whatever has an id or a name, and what the keys of the page do.
import { useState } from 'react'
import { Dialog } from '../parts/dialog.tsx'
import styles from './palette.module.css'
import { useEntries } from './palette-entries.ts'

type PaletteProps = { open: boolean; onClose: () => void; onShortcuts: () => void }

export function Palette(props: PaletteProps) {
  return (
    <Dialog open={props.open} onClose={props.onClose} title="Find or do">
      <Choices {...props} />
    </Dialog>
  )
}

function Choices({ onClose, onShortcuts }: PaletteProps) {
  const [text, setText] = useState('')
  const [at, setAt] = useState(0)
  const entries = useEntries(text.trim(), { onClose, onShortcuts })
  const chosen = Math.min(at, entries.length - 1)
  const onKeyDown = (event: React.KeyboardEvent) => {
    const step = event.key === 'ArrowDown' ? 1 : event.key === 'ArrowUp' ? -1 : 0
    if (step !== 0) setAt((chosen + step + entries.length) % entries.length)
    else if (event.key === 'Enter') entries[chosen]?.act()
    else return
    event.preventDefault()
  }
  return (
    <div className={styles.palette}>
      <input
        // biome-ignore lint/a11y/noAutofocus: whoever opens the palette wants to write.
        autoFocus
        role="combobox"
        aria-expanded="true"
        aria-controls="palette-entries"
        aria-activedescendant={optionId(chosen)}
        aria-label="Find by id or name, or do something"
        placeholder="An id, a job, an agent, a screen, an action …"
        value={text}
        onChange={({ target }) => {
          setText(target.value)
          setAt(0)
        }}
        onKeyDown={onKeyDown}
      />
      <div role="listbox" id="palette-entries" aria-label="Found" className={styles.entries}>
        {entries.map(({ id, group, name, hint, act }, index) => (
          // biome-ignore lint/a11y/useKeyWithClickEvents: the field above has the focus, and Enter.
          <div
            key={id}
            id={optionId(index)}
            role="option"
            tabIndex={-1}
            aria-selected={index === chosen}
            onClick={act}
            onPointerMove={() => setAt(index)}
          >
            <span>{group}</span>
            {name}
            {hint !== undefined && <kbd>{hint}</kbd>}
          </div>
        ))}
      </div>
      {entries.length === 0 && (
        <p className={styles.none}>Nothing of that name. Eight digits of an id are enough to find what it names.</p>
      )}
    </div>
  )
}

/** Ids and names may hold anything; the id of an element may not. */
const optionId = (at: number): string => `palette-option-${at}`
