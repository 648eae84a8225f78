import { Dialog } from '../parts/dialog.tsx'
import { SHORTCUTS, writtenAs } from './shortcut-list.ts'
import styles from './shortcuts.module.css'

export function Shortcuts({ open, onClose }: { open: boolean; onClose: () => void }) {
  return (
    <Dialog open={open} onClose={onClose} title="Shortcuts" wide>
      <div className={styles.groups}>
        {SHORTCUTS.map(({ name, shortcuts }) => (
          <section key={name} aria-label={name}>
            <h2>{name}</h2>
            <dl className={styles.keys}>
              {shortcuts.map((shortcut) => (
                <div key={shortcut.does}>
                  <dt>
                    {writtenAs(shortcut)
                      .split(' ')
                      .map((part) => (
                        <kbd key={part}>{part}</kbd>
                      ))}
                  </dt>
                  <dd>{shortcut.does}</dd>
                </div>
              ))}
            </dl>
          </section>
        ))}
      </div>
    </Dialog>
  )
}
