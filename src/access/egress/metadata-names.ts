const METADATA_NAMES = new Set(['metadata.google.internal', 'metadata.goog', 'instance-data.ec2.internal'])

/** Names of cloud metadata services; they stay closed whatever is allowed. */
export const isMetadataName = (hostname: string): boolean => METADATA_NAMES.has(hostname)
