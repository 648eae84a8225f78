// The job that the benches trigger runs of.
import { type JobDefinition, PLAIN_JOB } from '../../src/core/job.ts'

export const JOB: JobDefinition = { ...PLAIN_JOB, name: 'bench' }
