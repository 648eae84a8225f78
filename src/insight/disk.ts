// The disk that a folder is on.
import { statfs } from 'node:fs/promises'
import type { Disk } from './node-reports.sql.ts'

/** What is kept back for root is neither used nor free, as it is for `df`. */
export async function readDisk(folder: string): Promise<Disk> {
  const { bsize, blocks, bfree, bavail } = await statfs(folder)
  return { usedBytes: (blocks - bfree) * bsize, freeBytes: bavail * bsize }
}
