import { isUtf8 } from 'node:buffer'

/**
 * A header's text as its client wrote it. Node reads the bytes of headers as Latin-1, and clients write UTF-8 there as
 * they do in bodies; bytes that are no UTF-8 stay what Node made of them.
 */
export function headerText(header: string): string {
  const bytes = Buffer.from(header, 'latin1')
  return isUtf8(bytes) ? bytes.toString('utf8') : header
}
