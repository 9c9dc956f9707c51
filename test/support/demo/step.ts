/** A step of the demo: what is done, what was seen, and whether that is what was to be seen. */

export interface Figure {
  readonly name: string;
  readonly value: number | string;
  readonly unit: string;
  /** What it is made of, where that tells more. */
  readonly detail?: string;
}

export interface StepResult {
  readonly name: string;
  readonly title: string;
  readonly ok: boolean;
  readonly figures: readonly Figure[];
  /** What was not as it should be. */
  readonly problems: readonly string[];
}

export interface Outcome {
  readonly figures: readonly Figure[];
  readonly problems: readonly string[];
}

/** Told while the demo runs. */
export interface Progress {
  readonly begin: (title: string) => void;
  readonly note: (text: string) => void;
  readonly end: (result: StepResult) => void;
}

export const silent: Progress = { begin: () => {}, note: () => {}, end: () => {} };

export const ms = (name: string, value: number): Figure => ({
  name,
  value: Math.round(value),
  unit: 'ms',
});
export const count = (name: string, value: number, detail = ''): Figure =>
  detail === '' ? { name, value, unit: '' } : { name, value, unit: '', detail };
export const text = (name: string, value: string): Figure => ({ name, value, unit: '' });
export const percent = (name: string, value: number): Figure => ({
  name,
  value: Math.round(value * 100) / 100,
  unit: '%',
});

/** The text when `holds` does not. */
export const unless = (holds: boolean, problem: string): readonly string[] =>
  holds ? [] : [problem];

export const shown = (f: Figure): string =>
  `${f.name} ${f.value}${f.unit === '' ? '' : ` ${f.unit}`}${f.detail === undefined ? '' : ` (${f.detail})`}`;
