// Bars over time, in groups that stand on each other. The same numbers stand in a table below: the picture is only another
// way to read them.
import { sentenceCase } from '../look/words.ts'
import styles from './bar-chart.module.css'

export type Stack = { label: string; parts: readonly { name: string; value: number }[] }

const HEIGHT = 120
const GAP = 0.2
const COLOURS = ['var(--run)', 'var(--model)', 'var(--ok)', 'var(--wait)', 'var(--bad)', 'var(--faint)']

export const colourOf = (index: number): string => COLOURS[Math.min(index, COLOURS.length - 1)]!

type BarChartProps = {
  label: string
  stacks: readonly Stack[]
  names: readonly string[]
  words: (value: number) => string
  /** Of the names; states have colours of their own. */
  colours?: readonly string[]
  /** What one bar stands for, such as an hour; without it the caller shows the table. */
  unit?: string
}

export function BarChart({ label, stacks, names, words, colours, unit }: BarChartProps) {
  const paint = (index: number) => colours?.[index] ?? colourOf(index)
  const most = Math.max(...stacks.map(({ parts }) => sum(parts)), 0)
  if (most === 0) return null
  return (
    <figure className={styles.figure}>
      <svg
        viewBox={`0 0 ${stacks.length} ${HEIGHT}`}
        preserveAspectRatio="none"
        role="img"
        aria-label={`${label}; the table below has the numbers`}
      >
        {stacks.map((stack, index) => (
          <Bars key={stack.label} {...{ stack, most, names, words, paint }} x={index} />
        ))}
      </svg>
      <figcaption>
        <span>{stacks[0]?.label}</span>
        <span>at most {words(most)}</span>
        <span>{stacks.at(-1)?.label}</span>
      </figcaption>
      <ul className={styles.names}>
        {names.map((name, index) => (
          <li key={name}>
            <i style={{ background: paint(index) }} /> {name}
          </li>
        ))}
      </ul>
      {unit !== undefined && <Numbers {...{ stacks, names, words, unit }} />}
    </figure>
  )
}

/** The bars that are there. */
function Numbers({ stacks, names, words, unit }: Pick<BarChartProps, 'stacks' | 'names' | 'words'> & { unit: string }) {
  return (
    <details className={styles.numbers}>
      <summary>As a table</summary>
      <table>
        <thead>
          <tr>
            <th scope="col">{sentenceCase(unit)}</th>
            {names.map((name) => (
              <th key={name} scope="col">
                {sentenceCase(name)}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {stacks
            .filter(({ parts }) => sum(parts) > 0)
            .map(({ label, parts }) => (
              <tr key={label}>
                <td>{label}</td>
                {names.map((name) => (
                  <td key={name}>{words(parts.find((part) => part.name === name)?.value ?? 0)}</td>
                ))}
              </tr>
            ))}
        </tbody>
      </table>
    </details>
  )
}

type BarsProps = Pick<BarChartProps, 'names' | 'words'> & {
  stack: Stack
  x: number
  most: number
  paint: (index: number) => string
}

function Bars({ stack: { label, parts }, x, most, names, words, paint }: BarsProps) {
  let y = HEIGHT
  return parts.map(({ name, value }) => {
    const height = (value / most) * HEIGHT
    y -= height
    return (
      <rect key={name} x={x + GAP / 2} y={y} width={1 - GAP} height={height} fill={paint(names.indexOf(name))}>
        <title>{`${label}: ${name} ${words(value)}`}</title>
      </rect>
    )
  })
}

const sum = (parts: Stack['parts']): number => parts.reduce((total, { value }) => total + value, 0)
