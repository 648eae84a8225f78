// The life of a run as a diagram, generated from the table: docs/run-states.md is checked against it.
import { isFinal, RUN_MOVES, RUN_STATES, type RunState } from '../run.ts'

/** A Mermaid state diagram: one arrow per pair of states, labelled with its moves. */
export function runDiagram(): string {
  const arrows = new Map<string, string[]>()
  for (const [move, { from, to }] of Object.entries(RUN_MOVES)) {
    for (const state of from) {
      const arrow = `${state} --> ${to}`
      arrows.set(arrow, [...(arrows.get(arrow) ?? []), move])
    }
  }
  const lines = [...arrows].map(([arrow, moves]) => `    ${arrow}: ${moves.join(', ')}`)
  const finals = RUN_STATES.filter(isFinal).map((state) => `    ${state} --> [*]`)
  return ['stateDiagram-v2', '    [*] --> queued', '    [*] --> delayed', ...lines, ...finals].join('\n')
}

/** A Markdown table: each move, its states, and its event. */
export function runMovesTable(): string {
  const rows = Object.entries(RUN_MOVES).map(
    ([move, { from, to, event }]) => `| ${move} | ${from.map(code).join(', ')} | ${code(to)} | ${code(event)} |`,
  )
  return ['| move | from | to | event |', '|---|---|---|---|', ...rows].join('\n')
}

const code = (text: RunState | string): string => `\`${text}\``
