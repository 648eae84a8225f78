// One action of a person: what was asked for again afterwards, and what was refused is shown where it was clicked.
import { type UseMutationResult, useMutation } from '@tanstack/react-query'
import { queryClient } from '../api/query-client.ts'

/** `touches`: first words of the query keys that are old after it. */
export function useAct<Input = void, Output = unknown>(
  act: (input: Input) => Promise<Output>,
  touches: readonly string[],
): UseMutationResult<Output, Error, Input> {
  return useMutation({
    mutationFn: act,
    onSettled: () =>
      queryClient.invalidateQueries({ predicate: ({ queryKey }) => touches.includes(String(queryKey[0])) }),
  })
}
