// Every key of the console, by where it acts. A key that is bound and does not stand here does not compile, so that the
// help and the palette know them all.

type Shortcut = {
  keys: readonly string[]
  /** How the help writes a row of keys. */
  shown?: string
  does: string
  /** Keys of the browser or of a control, which nothing binds. */
  isNative?: true
}
type Group = { name: string; path?: string; shortcuts: readonly Shortcut[] }

export const SHORTCUTS = [
  {
    name: 'Everywhere',
    shortcuts: [
      { keys: ['/'], does: 'Find' },
      { keys: ['Mod+k'], shown: 'Mod+K', does: 'Palette: go, act, copy' },
      { keys: ['?'], does: 'Show the shortcuts' },
      { keys: ['l'], does: 'Live on or off' },
      { keys: ['t'], does: 'Change the theme' },
      { keys: ['Escape'], shown: 'Esc', does: 'Close, clear, go back: whichever comes first' },
    ],
  },
  {
    name: 'Go to',
    shortcuts: [
      { keys: ['g h'], does: 'Home' },
      { keys: ['g r'], does: 'Runs' },
      { keys: ['g f'], does: 'Failures' },
      { keys: ['g i'], does: 'Inbox' },
      { keys: ['g a'], does: 'Agents' },
      { keys: ['g e'], does: 'Events' },
      { keys: ['g j'], does: 'Jobs' },
      { keys: ['g u'], does: 'Usage' },
      { keys: ['g o'], does: 'Operations' },
      { keys: ['g s'], does: 'Settings' },
    ],
  },
  {
    name: 'Runs',
    path: '/runs',
    shortcuts: [
      { keys: ['j', 'k'], does: 'Next, previous' },
      { keys: ['Enter'], does: 'Open', isNative: true },
      { keys: ['Space'], does: 'Peek; j and k then look at the next and the previous run' },
      { keys: ['x'], does: 'Select' },
      { keys: ['Shift+x'], does: 'Select all from the last one that was selected' },
      { keys: ['*'], does: 'Act on all that match the filters' },
      { keys: ['f'], does: 'Add a filter' },
      { keys: ['1', '2', '3', '4', '5', '6', '7', '8', '9'], shown: '1–9', does: 'Filter by the n-th state' },
      { keys: ['Backspace'], does: 'Drop the last filter' },
      { keys: ['v'], does: 'Views and columns' },
    ],
  },
  {
    name: 'A run',
    path: '/runs/$run_id',
    shortcuts: [
      { keys: ['.'], does: 'What would move it' },
      { keys: ['r'], does: 'Replay' },
      { keys: ['Shift+r'], does: 'Replay with changes' },
      { keys: ['c'], does: 'Cancel' },
      { keys: ['p'], does: 'Pause or resume' },
      { keys: ['d'], does: 'Debug mode on or off' },
      { keys: ['j', 'k'], does: 'Next, previous run of the list' },
      { keys: ['y i'], does: 'Copy its id' },
      { keys: ['y l'], does: 'Copy the link' },
      { keys: ['y c'], does: 'Copy as curl' },
    ],
  },
  {
    name: 'Timeline',
    path: '/runs/$run_id',
    shortcuts: [
      { keys: ['ArrowUp', 'ArrowDown'], shown: '↑ ↓', does: 'Previous, next span', isNative: true },
      { keys: ['ArrowLeft', 'ArrowRight'], shown: '← →', does: 'Fold, unfold a span', isNative: true },
      { keys: ['['], does: 'Previous error' },
      { keys: [']'], does: 'Next error' },
      { keys: ['z'], does: 'Zoom to the chosen span' },
      { keys: ['Shift+z'], does: 'Zoom to the whole run' },
      { keys: ['i'], does: 'Collapse idle time' },
      { keys: ['e'], does: 'Unfold all spans' },
      { keys: ['w'], does: 'Fold all spans' },
      {
        keys: ['0', '1', '2', '3', '4', '5', '6', '7', '8', '9'],
        shown: '0–9',
        does: 'Fold spans from that level on',
      },
    ],
  },
  {
    name: 'Failures',
    path: '/failures',
    shortcuts: [
      { keys: ['j', 'k'], does: 'Next, previous' },
      { keys: ['o'], does: 'Open its runs' },
      { keys: ['m'], does: 'Mark as known' },
    ],
  },
  {
    name: 'Inbox',
    path: '/inbox',
    shortcuts: [
      { keys: ['j', 'k'], does: 'Next, previous' },
      { keys: ['a'], does: 'Approve' },
      { keys: ['x'], does: 'Refuse' },
      { keys: ['e'], does: 'Edit' },
      { keys: ['Mod+Enter'], does: 'Answer' },
      { keys: ['u'], does: 'Take the answer back before it is sent' },
    ],
  },
] as const satisfies readonly Group[]

type Listed = (typeof SHORTCUTS)[number]['shortcuts'][number]
export type Key = Exclude<Listed, { isNative: true }>['keys'][number]

/** As people read it: "Mod+K", "g r", "1–9". */
export const writtenAs = ({ keys, shown }: Shortcut): string => shown ?? keys.join(' ')

/** Those of a screen, by the path of its route, that a single key does. */
export const shortcutsOn = (path: string | undefined): { key: string; does: string }[] =>
  (SHORTCUTS as readonly Group[])
    .filter((group) => group.path === path)
    .flatMap(({ shortcuts }) => shortcuts)
    .filter(({ keys }) => keys.length === 1)
    .map(({ keys, does }) => ({ key: keys[0]!, does }))
