/** The command line cannot be understood: exit code 2, nothing was asked of the node. */
export class UsageError extends Error {
  constructor(message: string) {
    super(message);
    this.name = 'UsageError';
  }
}
