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
      ['Shift+x', 'Select all shown'],
      ['f', 'Filter'],
      ['1–9', 'Filter by the n-th state'],
      ['Backspace', 'Drop the last filter'],
      ['v', 'Views and columns'],
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
      ['e w', 'Unfold, fold all spans'],
      ['0–9', 'Fold spans from that level on'],
      ['j k', 'Next, previous run of the list'],
      ['y i', 'Copy its id'],
      ['y l', 'Copy the link'],
      ['y c', 'Copy as curl'],
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
