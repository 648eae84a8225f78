// Keys of the console. No letter acts while a field has the focus or a dialog is open, and sequences such as "g r" wait a
// moment for their second key.
import { useEffect, useRef, useState } from 'react'
import type { Key } from './shortcut-list.ts'

/** What each key does. One that answers false did nothing: what is around it is asked next, and the browser in the end. */
export type Keys = Readonly<Partial<Record<Key, () => unknown>>>

const SEQUENCE_MS = 1_000
const FIELDS = 'input, textarea, select, [contenteditable=""], [contenteditable="true"]'
/** What the space bar presses. */
const PRESSED = 'button, summary, [role="button"], [role="menuitem"], [role="option"]'
const COVERS = '[role="dialog"], [role="menu"]'

type Binding = { current: Keys; order: number; inDialog: boolean }
const bindings: Binding[] = []
let first: { key: string; atMs: number } | undefined
let isCovered = false
let rendered = 0

const isOn = (event: KeyboardEvent, what: string): boolean =>
  event.target instanceof Element && event.target.matches(what)
const isMac = /Mac|iPhone|iPad/.test(navigator.userAgent)

/** As it is written in the list of shortcuts: "Mod+k", "Shift+x", "g r", "?". */
function nameOf(event: KeyboardEvent): string {
  const mod = isMac ? event.metaKey : event.ctrlKey
  const letter = event.key.length === 1 && /[A-Za-z]/.test(event.key)
  const key = letter ? event.key.toLowerCase() : event.key === ' ' ? 'Space' : event.key
  return `${mod ? 'Mod+' : ''}${letter && event.shiftKey ? 'Shift+' : ''}${key}`
}

const actOf = ({ current }: Binding, name: string) => (Object.hasOwn(current, name) ? current[name as Key] : undefined)

/** What lies innermost on the page goes first. */
const actsOf = (heard: readonly Binding[], name: string) =>
  heard
    .map((binding) => actOf(binding, name))
    .filter((act) => act !== undefined)
    .toReversed()

/** Before anybody else hears of the key: the dialog that Escape closes may be gone when the page does. */
function look(): void {
  isCovered = document.querySelector(COVERS) !== null
}

function onKeyDown(event: KeyboardEvent): void {
  if (event.defaultPrevented || event.isComposing || (event.altKey && !isMac)) return
  const name = nameOf(event)
  if (!name.startsWith('Mod+') && isOn(event, FIELDS)) {
    // The first Escape leaves the field.
    if (name === 'Escape' && !isCovered) (event.target as HTMLElement).blur()
    return
  }
  if (name === 'Space' && isOn(event, PRESSED)) return
  const heard = bindings.filter(({ inDialog }) => inDialog === isCovered || name === 'Mod+k')
  const sequence = first && event.timeStamp - first.atMs < SEQUENCE_MS ? `${first.key} ${name}` : undefined
  first = undefined
  for (const wanted of sequence ? [sequence, name] : [name]) {
    const acts = actsOf(heard, wanted)
    if (acts.length === 0) continue
    if (acts.some((act) => act() !== false)) event.preventDefault()
    return
  }
  if (heard.some(({ current }) => Object.keys(current).some((keys) => keys.startsWith(`${name} `))))
    first = { key: name, atMs: event.timeStamp }
}

/** Does what a key would do on the page that is shown. */
export function press(key: string): void {
  actsOf(bindings, key).some((act) => act() !== false)
}

export const isBound = (key: string): boolean => bindings.some((binding) => actOf(binding, key) !== undefined)

/** `inDialog`: for the dialog that is open, and not for the page below it. */
export function useKeys(keys: Keys, { inDialog = false }: { inDialog?: boolean } = {}): void {
  // Parents render before what is inside them, and their effects run after.
  const [order] = useState(() => rendered++)
  const binding = useRef<Binding>({ current: keys, order, inDialog })
  useEffect(() => {
    binding.current.current = keys
  })
  useEffect(() => {
    const its = binding.current
    if (bindings.length === 0) {
      addEventListener('keydown', look, true)
      addEventListener('keydown', onKeyDown)
    }
    bindings.push(its)
    bindings.sort((a, b) => a.order - b.order)
    return () => {
      bindings.splice(bindings.indexOf(its), 1)
      if (bindings.length > 0) return
      removeEventListener('keydown', look, true)
      removeEventListener('keydown', onKeyDown)
    }
  }, [])
}
