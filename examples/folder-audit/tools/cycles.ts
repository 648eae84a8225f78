// Finds circles in a directed graph: its strongly connected components of more than one node (Tarjan).

/** Each circle as its nodes in the order of their names; the largest first. */
export function findCycles(edges: ReadonlyMap<string, ReadonlySet<string>>): string[][] {
  const order = new Map<string, number>()
  const lowest = new Map<string, number>()
  const stack: string[] = []
  const onStack = new Set<string>()
  const cycles: string[][] = []

  // Recursion goes as deep as the longest chain of imports; the audit's bound on files keeps that small.
  function visit(node: string): void {
    order.set(node, order.size)
    lowest.set(node, order.get(node)!)
    stack.push(node)
    onStack.add(node)
    for (const next of edges.get(node) ?? []) {
      if (!order.has(next)) {
        visit(next)
        lowest.set(node, Math.min(lowest.get(node)!, lowest.get(next)!))
      } else if (onStack.has(next)) lowest.set(node, Math.min(lowest.get(node)!, order.get(next)!))
    }
    if (lowest.get(node) !== order.get(node)) return
    const component = stack.splice(stack.indexOf(node))
    for (const one of component) onStack.delete(one)
    if (component.length > 1 || edges.get(node)?.has(node)) cycles.push(component.sort())
  }

  for (const node of [...edges.keys()].sort()) if (!order.has(node)) visit(node)
  return cycles.sort((a, b) => b.length - a.length || (a[0]! < b[0]! ? -1 : 1))
}
