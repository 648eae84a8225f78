// Settings of the database, parsed and checked.
import { parseAddress } from '#postgres/hosts/address.ts'

export function databaseUrlOf(text: string, name = 'DATABASE_URL'): string | undefined {
  if (text === '') return undefined
  try {
    parseAddress(text)
  } catch (error) {
    throw new Error(`${name} ${(error as Error).message}`, { cause: error })
  }
  return text
}

export function directUrlOf(text: string, databaseUrl: string): string | undefined {
  if (text !== '' && databaseUrl === '') throw new Error('DATABASE_DIRECT_URL does nothing without DATABASE_URL')
  return databaseUrlOf(text, 'DATABASE_DIRECT_URL')
}
