// Tables that fit the terminal. Ids are never cut, because people copy them; other columns give way in turn, and on a
// narrow terminal the least important ones are left out.
import stringWidth from 'string-width'
import { oneLine } from './safe-text.ts'

type StyleName = 'bold' | 'dim' | 'red' | 'green' | 'yellow' | 'cyan'

export type Column<Row> = {
  title: string
  of: (row: Row) => string | number | null | undefined
  align?: 'right'
  /** Never cut: an id, or a number. */
  whole?: true
  /** Left out where there is no room; the highest number first. */
  extra?: number
  style?: (row: Row) => StyleName | undefined
}

type Look = { plain: boolean; width: number; style: (how: StyleName, text: string) => string }

const GAP = 2
const CUT_MIN = 8

export function* tableLines<Row>(
  rows: readonly Row[],
  columns: readonly Column<Row>[],
  { plain, width, style }: Look,
): Generator<string> {
  const cells = rows.map((row) => columns.map((column) => cellOf(column.of(row), plain)))
  if (plain) return yield* cells.map((line) => line.join('\t'))
  if (rows.length === 0) return
  const natural = columns.map(({ title }, at) =>
    Math.max(stringWidth(title), ...cells.map((line) => stringWidth(line[at]!))),
  )
  const widths = fittedWidths(columns, natural, width)
  const lineOf = (line: readonly string[], decorate: (text: string, at: number) => string) =>
    line
      .map((cell, at) => ({ cell, at }))
      .filter(({ at }) => widths[at]! > 0)
      .map(({ cell, at }) => decorate(padded(cell, widths[at]!, columns[at]!.align), at))
      .join(' '.repeat(GAP))
      .trimEnd()
  yield lineOf(
    columns.map(({ title }) => title),
    (text) => style('dim', text),
  )
  for (const [index, line] of cells.entries())
    yield lineOf(line, (text, at) => {
      const how = columns[at]!.style?.(rows[index]!)
      return how ? style(how, text) : text
    })
}

function cellOf(value: string | number | null | undefined, plain: boolean): string {
  if (value === null || value === undefined || value === '') return plain ? '' : '-'
  return oneLine(String(value))
}

/** The width of each column; 0 for one that is left out. */
function fittedWidths<Row>(columns: readonly Column<Row>[], natural: readonly number[], room: number): number[] {
  const widths = [...natural]
  const excess = () => {
    const kept = widths.filter((width) => width > 0)
    return kept.reduce((sum, width) => sum + width, (kept.length - 1) * GAP) - room
  }
  const shrink = () => {
    for (let over = excess(); over > 0; over = excess()) {
      const widest = widths
        .map((width, at) => ({ width, at }))
        .filter(({ at, width }) => !columns[at]!.whole && width > CUT_MIN)
        .toSorted((a, b) => b.width - a.width)[0]
      if (!widest) return
      widths[widest.at] = Math.max(CUT_MIN, widest.width - over)
    }
  }
  const spare = columns.map((column, at) => ({ at, extra: column.extra ?? 0 })).filter(({ extra }) => extra > 0)
  for (const { at } of spare.toSorted((a, b) => b.extra - a.extra)) {
    if (excess() <= 0) break
    widths[at] = 0
  }
  shrink()
  return widths
}

function padded(text: string, width: number, align: 'right' | undefined): string {
  const cut = cutTo(text, width)
  const space = ' '.repeat(Math.max(0, width - stringWidth(cut)))
  return align === 'right' ? space + cut : cut + space
}

const graphemes = new Intl.Segmenter(undefined, { granularity: 'grapheme' })

/** At most so many columns wide; what is missing is marked. */
export function cutTo(text: string, width: number): string {
  if (stringWidth(text) <= width) return text
  let cut = ''
  let used = 0
  for (const { segment } of graphemes.segment(text)) {
    const wide = stringWidth(segment)
    if (used + wide > width - 1) break
    cut += segment
    used += wide
  }
  return `${cut}…`
}
