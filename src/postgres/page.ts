/** A page of rows that have a sequence, after the one that was read last. */
export type SequencePage = { after: number; limit: number }
