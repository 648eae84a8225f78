// The disk of the embedded database, which only the node that runs it can see.
import { Gauge, type Registry } from 'prom-client'
import { readDisk } from '#insight/disk.ts'

/** Answers what is to be called before each scrape. */
export function addDiskSeries(registry: Registry, folder: string): () => Promise<void> {
  const registers = [registry]
  const used = new Gauge({
    name: 'runyard_database_disk_used_bytes',
    help: 'Bytes in use on the disk of the embedded database; of this node, and missing where the database is elsewhere.',
    registers,
  })
  const free = new Gauge({
    name: 'runyard_database_disk_free_bytes',
    help: 'Bytes free on the disk of the embedded database; of this node, and missing where the database is elsewhere.',
    registers,
  })
  return async () => {
    const disk = await readDisk(folder)
    used.set(disk.usedBytes)
    free.set(disk.freeBytes)
  }
}
