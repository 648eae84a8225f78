// What a command prints: data on stdout, words on stderr. Colours and widths follow the terminal, if there is one.
import { styleText } from 'node:util'
import { indentJson } from './json-text.ts'
import { lines, oneLine, safeJson } from './safe-text.ts'
import { type Column, tableLines } from './table.ts'

export type Environment = Readonly<Record<string, string | undefined>>
export type Style = Parameters<typeof styleText>[0]

type Fact = readonly [name: string, value: string | null | undefined, style?: Style | undefined]

type Shown = { json?: boolean; plain?: boolean; quiet?: boolean; color?: boolean; utc?: boolean }

const WIDTH_UNKNOWN = 80
const WIDTH_MIN = 40

export class Terminal {
  readonly json: boolean
  readonly plain: boolean
  readonly quiet: boolean
  readonly utc: boolean
  /** Whether somebody reads stdout, and whether somebody reads stderr. */
  readonly isRead: boolean
  readonly isWatched: boolean
  readonly #colors: { out: boolean; words: boolean }
  readonly #width: number
  #bar = false

  constructor(env: Environment, { json = false, plain = false, quiet = false, color = true, utc = false }: Shown) {
    this.json = json
    this.plain = plain
    this.quiet = quiet
    this.utc = utc
    this.isRead = process.stdout.isTTY === true
    this.isWatched = process.stderr.isTTY === true
    const wanted = color && !env.NO_COLOR && env.TERM !== 'dumb'
    this.#colors = { out: wanted && this.isRead, words: wanted && this.isWatched }
    const told = process.stdout.columns || Number(env.COLUMNS) || WIDTH_UNKNOWN
    this.#width = Math.max(WIDTH_MIN, Math.trunc(told))
  }

  /** A line of data. Its text is our own, or has been made safe. */
  line(text = ''): void {
    this.endBar()
    process.stdout.write(`${text}\n`)
  }

  /** Several lines from a server. */
  text(text: string): void {
    this.line(lines(text))
  }

  bytes(chunk: Uint8Array): Promise<void> {
    return new Promise((resolve, reject) => {
      process.stdout.write(chunk, (error) => (error ? reject(error) : resolve()))
    })
  }

  /** A JSON document: indented for a person, in one line for a program. */
  document(text: string): void {
    this.line(safeJson(this.isRead ? indentJson(text) : text))
  }

  /** One of many JSON documents, in a line. */
  record(text: string): void {
    this.line(safeJson(text.replaceAll('\n', ' ')))
  }

  table<Row>(rows: readonly Row[], columns: readonly Column<Row>[]): void {
    const style = (how: Style, text: string) => this.style(how, text)
    for (const line of tableLines(rows, columns, { plain: this.plain, width: this.#width, style })) this.line(line)
  }

  /** Names and values of one thing, one to a line; what is null or undefined is left out. */
  facts(facts: readonly Fact[]): void {
    const shown = facts.filter(([, value]) => value !== null && value !== undefined && value !== '')
    const width = Math.max(0, ...shown.map(([name]) => name.length))
    for (const [name, value, how] of shown) {
      if (this.plain) {
        this.line(`${name}\t${oneLine(value!)}`)
        continue
      }
      // Styled once it is safe: what makes it safe would show the codes of the style.
      const safe = lines(value!).replaceAll('\n', `\n${' '.repeat(width + 2)}`)
      this.line(`${this.style('dim', name.padEnd(width))}  ${how ? this.style(how, safe) : safe}`)
    }
  }

  /** A sentence for whoever is watching; not with --quiet. */
  say(text: string): void {
    if (!this.quiet) this.warn(text)
  }

  /** What must be said even with --quiet. */
  warn(text: string): void {
    this.endBar()
    process.stderr.write(`${text}\n`)
  }

  style(how: Style, text: string): string {
    return this.#colors.out ? styleText(how, text, { validateStream: false }) : text
  }

  /** The same for stderr. */
  styleWords(how: Style, text: string): string {
    return this.#colors.words ? styleText(how, text, { validateStream: false }) : text
  }

  /** Progress on the last line of a terminal; nothing elsewhere. */
  bar(done: number, total: number | null, words: string): void {
    if (this.quiet || !this.isWatched) return
    const room = 20
    const filled = total === null || total === 0 ? 0 : Math.min(room, Math.round((done / total) * room))
    const picture = total === null ? '' : `[${'#'.repeat(filled)}${'-'.repeat(room - filled)}] `
    process.stderr.write(`\r\u001b[K${picture}${words}`.slice(0, this.#width + 4))
    this.#bar = true
  }

  endBar(): void {
    if (!this.#bar) return
    this.#bar = false
    process.stderr.write('\r\u001b[K')
  }

  /** Clears the screen before a list is shown again. */
  clear(): void {
    if (this.isRead) process.stdout.write('\u001b[H\u001b[2J\u001b[3J')
  }
}
