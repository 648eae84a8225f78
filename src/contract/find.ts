// Finding things across the project by an id, a slug or a name.
import { Type } from 'typebox'
import { nullable, oneOf, query, text, whole, withDefault } from './common.ts'
import { route } from './route.ts'

export const findThings = route({
  method: 'GET',
  path: '/v1/find',
  needs: 'runs:read',
  tag: 'Operations',
  name: 'findThings',
  summary: 'Find runs, jobs, agents, operations, events and correlations by id, slug or name.',
  description:
    'Runs, jobs and operations are found by the first 8 or more digits of their id; external runs by their whole id; jobs ' +
    'and agents by the beginning of their slug or name; events and correlations by their whole id. Only what the scopes of ' +
    'the caller allow is searched.',
  query: query({
    q: text(256, 'What to look for.', { minLength: 1 }),
    limit: withDefault(whole(1, 50, 'Maximum number of results of each type.'), 5),
  }),
  replies: {
    200: Type.Object(
      {
        data: Type.Array(
          Type.Object({
            type: oneOf(['run', 'job', 'agent', 'operation', 'event', 'correlation'], 'Type of the result.'),
            id: Type.String({ description: 'Its id.' }),
            name: nullable(
              Type.String(),
              'Slug of the job, of a run too; kind of the operation; type of the event; otherwise null.',
            ),
          }),
          { description: 'The results, by type.' },
        ),
      },
      { title: 'FoundList' },
    ),
  },
})
