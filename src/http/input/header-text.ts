import { isUtf8 } from 'node:buffer'

/**
 * A header's text as its client wrote it. Node decodes headers as Latin-1, but clients write UTF-8, as
 * they do in bodies; bytes that are not valid UTF-8 stay as Node decoded them.
 */
export function headerText(header: string): string {
  const bytes = Buffer.from(header, 'latin1')
  return isUtf8(bytes) ? bytes.toString('utf8') : header
}
