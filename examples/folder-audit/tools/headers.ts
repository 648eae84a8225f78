// Checks how files begin, and under which licence they are: a reader should learn both without asking.
import { isScript, isTest, type SourceFile } from './source-file.ts'

/** What lies around the audited folder. */
export type Licences = { files: string[]; ofPackage: string | undefined }

export type Headers = {
  licence: Licences
  /** Files that name their licence themselves, by an SPDX line. */
  spdx: number
  /** Scripts, tests aside, that say at their head what they are for. */
  withHead: number
  withoutHead: number
  /** Some of those that do not. */
  silent: string[]
}

const SILENT_MAX = 30
const HEAD_LENGTH = 2_000

export function checkHeaders(files: readonly SourceFile[], licence: Licences): Headers {
  const scripts = files.filter(({ path }) => isScript(path) && !isTest(path))
  const silent = scripts.filter(({ text }) => !hasHead(text)).map(({ path }) => path)
  return {
    licence,
    spdx: files.filter(({ text }) => text.slice(0, HEAD_LENGTH).includes('SPDX-License-Identifier:')).length,
    withHead: scripts.length - silent.length,
    withoutHead: silent.length,
    silent: silent.slice(0, SILENT_MAX),
  }
}

/** The first thing in it, after a line for the shell, is a comment. */
const hasHead = (text: string): boolean => /^\uFEFF?(?:#!.*\r?\n)?\s*(?:\/\/|\/\*)/.test(text)
