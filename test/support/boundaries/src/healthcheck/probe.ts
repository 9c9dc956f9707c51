/** A sibling's part. */
export const probe = 'probe';
