import { Dialog } from '../parts/dialog.tsx'
import { SCREENS } from './screens.ts'
import styles from './shortcuts.module.css'

const GROUPS: readonly (readonly [string, readonly (readonly [string, string])[]])[] = [
  [
    'Everywhere',
    [
      ['/', 'Find'],
      ['Mod+K', 'Palette: go, act, copy'],
      ['?', 'These shortcuts'],
      ['l', 'Live on or off'],
      ['t', 'Theme'],
      ['Esc', 'Close'],
    ],
  ],
  ['Go to', SCREENS.map(({ key, name }) => [`g ${key}`, name] as const)],
  [
    'Runs',
    [
      ['j k', 'Next, previous'],
      ['Enter', 'Open'],
      ['x', 'Select'],
      ['f', 'Filter'],
    ],
  ],
  [
    'A run',
    [
      ['.', 'What would move it'],
      ['r', 'Replay'],
      ['Shift+r', 'Replay with changes'],
      ['c', 'Cancel'],
      ['p', 'Pause or resume'],
      ['d', 'Debug mode'],
      ['[ ]', 'Previous, next error'],
      ['i', 'Collapse idle time'],
    ],
  ],
  [
    'Failures',
    [
      ['j k', 'Next, previous'],
      ['o', 'Open its runs'],
      ['m', 'Mark as known'],
    ],
  ],
  [
    'Inbox',
    [
      ['j k', 'Next, previous'],
      ['a', 'Approve'],
      ['x', 'Refuse'],
      ['e', 'Edit'],
    ],
  ],
]

export function Shortcuts({ open, onClose }: { open: boolean; onClose: () => void }) {
  return (
    <Dialog open={open} onClose={onClose} title="Shortcuts" wide>
      <div className={styles.groups}>
        {GROUPS.map(([name, keys]) => (
          <section key={name} aria-label={name}>
            <h2>{name}</h2>
            <dl className={styles.keys}>
              {keys.map(([key, does]) => (
                <div key={key}>
                  <dt>
                    {key.split(' ').map((part) => (
                      <kbd key={part}>{part}</kbd>
                    ))}
                  </dt>
                  <dd>{does}</dd>
                </div>
              ))}
            </dl>
          </section>
        ))}
      </div>
    </Dialog>
  )
}
