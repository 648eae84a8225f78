// A row of bars as small as a word. What it shows is told beside it, too.
import styles from './sparkline.module.css'

const HEIGHT = 20

export function Sparkline({ values }: { values: readonly number[] }) {
  const most = values.reduce((max, value) => Math.max(max, value), 1)
  return (
    <svg
      className={styles.line}
      viewBox={`0 0 ${values.length} ${HEIGHT}`}
      preserveAspectRatio="none"
      aria-hidden="true"
    >
      {values.map((value, at) => {
        // What happened once in a thousand is still to be seen.
        const height = value === 0 ? 1 : Math.max(3, (value / most) * HEIGHT)
        const look = value === 0 ? styles.none : styles.some
        // biome-ignore lint/suspicious/noArrayIndexKey: a bar is its place in time.
        return <rect key={at} className={look} x={at + 0.1} y={HEIGHT - height} width={0.8} height={height} />
      })}
    </svg>
  )
}
