import type { VariantName } from './variants.ts';

export interface DemoOptions {
  readonly json: boolean;
  readonly manual: boolean;
  readonly onApproval: 'approve' | 'reject';
  readonly fault?: VariantName;
  readonly at: number;
  readonly load: 'full' | 'half';
  readonly trace?: string;
  readonly policy: string;
  /** Missing: the machine is measured. */
  readonly scale?: number;
  readonly keep?: string;
}
