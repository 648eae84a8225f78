// Files given to runs. Uploads go through the dialects that have a call for them.
import { Type } from 'typebox'
import { uuid } from './common.ts'
import { route } from './route.ts'

const tag = 'Files'
const FilePath = Type.Object({ file_id: uuid('Id of the file.') })

export const getFile = route({
  method: 'GET',
  path: '/v1/files/:file_id',
  needs: 'runs:read',
  orRunToken: 'of_project',
  tag,
  name: 'getFile',
  summary: 'Get the bytes of a file.',
  description:
    'The Content-Disposition header carries its name. An executor can read files of its project with its run token.',
  params: FilePath,
  produces: 'application/octet-stream',
  replies: { 200: Type.Unsafe<unknown>({ description: 'The bytes.' }) },
  refusals: ['file_not_found'],
})

export const deleteFile = route({
  method: 'DELETE',
  path: '/v1/files/:file_id',
  needs: 'runs:write',
  tag,
  name: 'deleteFile',
  summary: 'Delete a file; runs that use it can no longer read it.',
  params: FilePath,
  replies: { 204: null },
  refusals: ['file_not_found'],
})
