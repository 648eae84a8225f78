// deploy/kubernetes as `kubectl` renders it, and what rendering does not check.
import { spawnSync } from 'node:child_process'
import { globSync, readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { parse, parseAllDocuments } from 'yaml'
import { getLive, getMetrics, getReady } from '#contract/operations.ts'
import { SETTINGS } from '../src/config.ts'

// biome-ignore lint/suspicious/noExplicitAny: an object is whatever its kind says it is.
type Manifest = any

const ROOT = 'deploy/kubernetes'
const read = (path: string): Manifest => parse(readFileSync(`${ROOT}/${path}`, 'utf8'))
const deployment = read('base/deployment.yaml')
const pod = deployment.spec.template.spec
const [container] = pod.containers

describe('the pods of the base', () => {
  test('are probed at paths of the API, by ports that exist', () => {
    const { startupProbe, livenessProbe, readinessProbe, ports } = container
    const paths = [startupProbe, livenessProbe, readinessProbe].map(({ httpGet }) => httpGet.path)
    expect(paths).toEqual([getLive.path, getLive.path, getReady.path])
    const named = new Map<string, number>(
      ports.map((it: { name: string; containerPort: number }) => [it.name, it.containerPort]),
    )
    const service = read('base/service.yaml')
    for (const { targetPort } of service.spec.ports) expect(named.has(targetPort), targetPort).toBe(true)
    expect([named.get('http'), container.readinessProbe.httpGet.port]).toEqual([Number(SETTINGS.PORT[0]), 'http'])
    const monitor = read('components/service-monitor/service-monitor.yaml')
    expect(monitor.spec.endpoints[0]).toMatchObject({ port: 'metrics', path: getMetrics.path })
    const ingress = read('components/ingress/ingress.yaml')
    expect(ingress.spec.rules[0].http.paths[0].backend.service).toEqual({
      name: service.metadata.name,
      port: { name: 'http' },
    })
  })

  test('meet the pod security standard `restricted`, and write nowhere but where they have room', () => {
    expect(pod.securityContext).toMatchObject({ runAsNonRoot: true, seccompProfile: { type: 'RuntimeDefault' } })
    expect(pod.securityContext.runAsUser).toBeGreaterThan(0)
    expect(container.securityContext).toEqual({
      allowPrivilegeEscalation: false,
      readOnlyRootFilesystem: true,
      capabilities: { drop: ['ALL'] },
    })
    expect(pod.automountServiceAccountToken).toBe(false)
    const mounts = new Map(
      container.volumeMounts.map((it: { name: string; mountPath: string }) => [it.mountPath, it.name]),
    )
    const image = readFileSync('deploy/Dockerfile', 'utf8')
    expect([...mounts.keys()].sort()).toEqual([/RUNYARD_DATA_DIR=(\S+)/.exec(image)![1], '/tmp'])
    expect(pod.volumes.map((it: { name: string }) => it.name).sort()).toEqual([...mounts.values()].sort())
  })

  test('may stop in peace, one at a time', () => {
    const { literals } = read('base/kustomization.yaml').configMapGenerator[0]
    const set = new Map<string, string>(literals.map((it: string) => it.split('=') as [string, string]))
    const stoppingMs = Number(set.get('RUNYARD_DRAIN_MS')) + Number(set.get('RUNYARD_SHUTDOWN_GRACE_MS'))
    expect(pod.terminationGracePeriodSeconds * 1_000).toBeGreaterThan(stoppingMs + 5_000)
    const { periodSeconds, failureThreshold } = container.readinessProbe
    expect(Number(set.get('RUNYARD_DRAIN_MS'))).toBeGreaterThan(periodSeconds * failureThreshold * 1_000)
    expect(deployment.spec.strategy.rollingUpdate).toEqual({ maxSurge: 1, maxUnavailable: 0 })
    expect(read('base/pod-disruption-budget.yaml').spec.maxUnavailable).toBe(1)
  })

  test('are given settings that exist, and say which secret is missing', () => {
    const fromSecret = container.env.filter((it: Manifest) => it.valueFrom.secretKeyRef)
    const required = fromSecret.filter((it: Manifest) => !it.valueFrom.secretKeyRef.optional)
    expect(required.map((it: Manifest) => it.name)).toEqual(['DATABASE_URL', 'RUNYARD_API_KEY'])
    for (const { name, valueFrom } of fromSecret)
      expect(valueFrom.secretKeyRef).toMatchObject({ name: 'runyard', key: name })
    const generated = globSync(`${ROOT}/**/kustomization.yaml`).flatMap((path) =>
      (parse(readFileSync(path, 'utf8')).configMapGenerator ?? []).flatMap((it: Manifest) => it.literals),
    )
    const names = [...container.env.map((it: Manifest) => it.name), ...generated.map((it: string) => it.split('=')[0])]
    expect(names.length).toBeGreaterThan(8)
    expect(names.filter((name) => !Object.hasOwn(SETTINGS, name))).toEqual([])
  })
})

test('every file is in a kustomization, and every file that one names exists', () => {
  for (const path of globSync(`${ROOT}/**/kustomization.yaml`)) {
    const folder = path.slice(0, -'/kustomization.yaml'.length)
    const { resources = [], components = [] } = parse(readFileSync(path, 'utf8'))
    const files = globSync(`${folder}/*.yaml`).map((file) => file.slice(folder.length + 1))
    expect(files.filter((file) => file !== 'kustomization.yaml').sort(), folder).toEqual(
      resources.filter((it: string) => it.endsWith('.yaml')).sort(),
    )
    for (const other of [...resources, ...components].filter((it: string) => !it.endsWith('.yaml')))
      expect(globSync(`${folder}/${other}/kustomization.yaml`), `${folder} ${other}`).toHaveLength(1)
  }
})

const rendered = spawnSync('kubectl', ['kustomize', `${ROOT}/example`], { encoding: 'utf8', timeout: 30_000 })
// Where kubectl is missing, the files have been checked one by one.
test('the example renders to objects that find each other', { skip: rendered.error !== undefined }, () => {
  expect([rendered.status, rendered.stderr]).toEqual([0, ''])
  const objects: Manifest[] = parseAllDocuments(rendered.stdout).map((document) => document.toJS())
  const one = (kind: string): Manifest => {
    const found = objects.filter((it) => it.kind === kind)
    expect(found, kind).toHaveLength(1)
    return found[0]
  }
  expect(objects.map(({ kind }) => kind).sort()).toEqual([
    'ConfigMap',
    'Deployment',
    'HorizontalPodAutoscaler',
    'Ingress',
    'Namespace',
    'PodDisruptionBudget',
    'Service',
    'ServiceAccount',
    'ServiceMonitor',
  ])
  const { spec } = one('Deployment')
  const { labels } = spec.template.metadata
  expect([
    spec.selector.matchLabels,
    one('Service').spec.selector,
    one('PodDisruptionBudget').spec.selector.matchLabels,
  ]).toEqual([labels, labels, labels])
  expect(one('ServiceMonitor').spec.selector.matchLabels).toEqual(one('Service').metadata.labels)
  expect(one('HorizontalPodAutoscaler').spec.scaleTargetRef.name).toBe(one('Deployment').metadata.name)
  // The autoscaler decides how many there are.
  expect(spec).not.toHaveProperty('replicas')
  const [{ image, envFrom }] = spec.template.spec.containers
  expect(image).toMatch(/^registry\.example\.com\/runyard:\d/)
  expect(envFrom[0].configMapRef.name).toBe(one('ConfigMap').metadata.name)
  expect(objects.filter(({ kind, metadata }) => kind !== 'Namespace' && metadata.namespace !== 'runyard')).toEqual([])
})
