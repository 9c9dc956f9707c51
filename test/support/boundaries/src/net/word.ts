/** The fixture of the import rule: every other file here breaks it once, and `npm run check` wants to see each caught. */
export const word = 'word';
