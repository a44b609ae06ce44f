import type { Offer } from '../../core/sizing/offer.ts';

/** The date of the copy of Hugging Face's public price list (docs, `support/pricing`) that these rows come from. */
export const LIST_DATE = '2026-08-20';

type Row = readonly [place: string, type: string, size: string, memoryGb: number, price: number];

const CPU: readonly Row[] = [
  ['aws us-east-1', 'intel-spr', 'x1', 2, 0.033],
  ['aws us-east-1', 'intel-spr', 'x2', 4, 0.067],
  ['aws us-east-1', 'intel-spr', 'x4', 8, 0.134],
  ['aws us-east-1', 'intel-spr', 'x8', 16, 0.268],
  ['aws us-east-1', 'intel-spr', 'x16', 32, 0.536],
  ['gcp us-east4', 'intel-spr', 'x1', 2, 0.05],
  ['gcp us-east4', 'intel-spr', 'x2', 4, 0.1],
  ['gcp us-east4', 'intel-spr', 'x4', 8, 0.2],
  ['gcp us-east4', 'intel-spr', 'x8', 16, 0.4],
];

/**
 * Memory is the total of all accelerators. The list names no regions: these are the regions in which the instances were
 * seen.
 */
const GPU: readonly Row[] = [
  ['aws us-east-1', 'nvidia-t4', 'x1', 14, 0.5],
  ['aws us-east-1', 'nvidia-t4', 'x4', 56, 3],
  ['aws us-east-1', 'nvidia-l4', 'x1', 24, 0.8],
  ['aws us-east-1', 'nvidia-l4', 'x4', 96, 3.8],
  ['aws us-east-1', 'nvidia-a10g', 'x1', 24, 1],
  ['aws us-east-1', 'nvidia-a10g', 'x4', 96, 5],
  ['aws us-east-1', 'nvidia-l40s', 'x1', 48, 1.8],
  ['aws us-east-1', 'nvidia-l40s', 'x4', 192, 8.3],
  ['aws us-east-1', 'nvidia-l40s', 'x8', 384, 23.5],
  ['aws us-east-1', 'nvidia-a100', 'x1', 80, 2.5],
  ['aws us-east-1', 'nvidia-a100', 'x2', 160, 5],
  ['aws us-east-1', 'nvidia-a100', 'x4', 320, 10],
  ['aws us-east-1', 'nvidia-a100', 'x8', 640, 20],
  ['aws us-west-2', 'nvidia-h200', 'x1', 141, 5],
  ['aws us-west-2', 'nvidia-h200', 'x2', 282, 10],
  ['aws us-west-2', 'nvidia-h200', 'x4', 564, 20],
  ['aws us-west-2', 'nvidia-h200', 'x8', 1_128, 40],
  ['gcp us-east4', 'nvidia-t4', 'x1', 16, 0.5],
  ['gcp us-east4', 'nvidia-l4', 'x1', 24, 0.7],
  ['gcp us-east4', 'nvidia-l4', 'x4', 96, 3.8],
  ['gcp us-east4', 'nvidia-a100', 'x1', 80, 3.6],
  ['gcp us-east4', 'nvidia-a100', 'x2', 160, 7.2],
  ['gcp us-east4', 'nvidia-a100', 'x4', 320, 14.4],
  ['gcp us-east4', 'nvidia-a100', 'x8', 640, 28.8],
  ['gcp us-east4', 'nvidia-h100', 'x1', 80, 10],
  ['gcp us-east4', 'nvidia-h100', 'x2', 160, 20],
  ['gcp us-east4', 'nvidia-h100', 'x4', 320, 40],
  ['gcp us-east4', 'nvidia-h100', 'x8', 640, 80],
];

/**
 * The price list of LIST_DATE without deprecated rows. It only shows which instances may exist if the API is
 * unreachable. Availability and quota are unknown and prices may have changed, so never spend money on the basis of
 * this list.
 */
export function listedOffers(): Offer[] {
  return [...CPU.map((row) => toOffer(row, 'cpu')), ...GPU.map((row) => toOffer(row, 'gpu'))];
}

function toOffer([place, instanceType, instanceSize, memory, price]: Row, accelerator: 'cpu' | 'gpu'): Offer {
  const [vendor = '', region = ''] = place.split(' ');
  const isCpu = accelerator === 'cpu';
  return {
    vendor,
    region,
    accelerator,
    instanceType,
    instanceSize,
    numAccelerators: Number(instanceSize.slice(1)),
    gpuMemoryGb: isCpu ? null : memory,
    memoryGb: isCpu ? memory : null,
    pricePerHourMicros: Math.round(price * 1e6),
    status: 'unknown',
    closed: null,
    quota: null,
  };
}
