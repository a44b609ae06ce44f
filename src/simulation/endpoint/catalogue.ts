/** One kind of machine that Inference Endpoints rents out. */
export interface Compute {
  readonly vendor: string;
  readonly region: string;
  readonly accelerator: 'cpu' | 'gpu';
  readonly instanceType: string;
  readonly instanceSize: string;
  readonly architecture: string;
  readonly status: 'available' | 'low_availability' | 'not_available' | 'deprecated';
  readonly numAccelerators: number;
  readonly numCpus: number;
  readonly memoryGb: number;
  readonly gpuMemoryGb: number | null;
  /** Dollars per replica and hour. */
  readonly pricePerHour: number;
  /** Accelerators of this instance type that the account may use. */
  readonly maxAccelerators: number;
}

type Row = [
  type: string,
  size: string,
  architecture: string,
  status: Compute['status'],
  accelerators: number,
  cpus: number,
  memory: number,
  gpuMemory: number | null,
  price: number,
  quota: number,
];

const SPR: readonly Row[] = [
  ['intel-spr', 'x1', 'Intel Sapphire Rapids', 'available', 1, 1, 2, null, 0.033, 16],
  ['intel-spr', 'x2', 'Intel Sapphire Rapids', 'available', 2, 2, 4, null, 0.067, 16],
  ['intel-spr', 'x4', 'Intel Sapphire Rapids', 'available', 4, 4, 8, null, 0.134, 16],
  ['intel-spr', 'x8', 'Intel Sapphire Rapids', 'available', 8, 8, 16, null, 0.268, 16],
  ['intel-spr', 'x16', 'Intel Sapphire Rapids', 'available', 16, 16, 32, null, 0.536, 16],
];

const US_EAST: readonly Row[] = [
  ...SPR,
  ['nvidia-t4', 'x1', 'NVIDIA T4', 'available', 1, 3, 14, 14, 0.5, 4],
  ['nvidia-t4', 'x4', 'NVIDIA T4', 'available', 4, 46, 192, 56, 3, 4],
  ['nvidia-l4', 'x1', 'NVIDIA L4', 'available', 1, 7, 30, 24, 0.8, 4],
  ['nvidia-l4', 'x4', 'NVIDIA L4', 'available', 4, 46, 186, 96, 3.8, 4],
  ['nvidia-a10g', 'x1', 'NVIDIA A10G', 'available', 1, 6, 30, 24, 1, 4],
  ['nvidia-a10g', 'x4', 'NVIDIA A10G', 'available', 4, 46, 186, 96, 5, 4],
  ['nvidia-l40s', 'x1', 'NVIDIA L40S', 'low_availability', 1, 7, 60, 48, 1.8, 4],
  ['nvidia-l40s', 'x4', 'NVIDIA L40S', 'low_availability', 4, 46, 372, 192, 8.3, 4],
  ['nvidia-l40s', 'x8', 'NVIDIA L40S', 'not_available', 8, 190, 1500, 384, 23.5, 4],
  ['nvidia-a100', 'x1', 'NVIDIA A100', 'available', 1, 11, 145, 80, 2.5, 4],
  ['nvidia-a100', 'x2', 'NVIDIA A100', 'available', 2, 22, 290, 160, 5, 4],
  ['nvidia-a100', 'x4', 'NVIDIA A100', 'available', 4, 44, 580, 320, 10, 4],
  ['nvidia-a100', 'x8', 'NVIDIA A100', 'available', 8, 88, 1160, 640, 20, 4],
  ['nvidia-h100', 'x1', 'NVIDIA H100', 'deprecated', 1, 23, 240, 80, 4.5, 0],
  ['nvidia-h100', 'x8', 'NVIDIA H100', 'deprecated', 8, 184, 1920, 640, 36, 0],
];

const EU_WEST: readonly Row[] = [
  ...SPR,
  ['nvidia-t4', 'x1', 'NVIDIA T4', 'available', 1, 3, 14, 14, 0.5, 4],
  ['nvidia-a10g', 'x1', 'NVIDIA A10G', 'available', 1, 6, 30, 24, 1, 4],
  ['nvidia-a10g', 'x4', 'NVIDIA A10G', 'available', 4, 46, 186, 96, 5, 4],
];

const US_EAST_2: readonly Row[] = [
  ['nvidia-rtx-pro-6000', 'x1', 'NVIDIA RTX PRO 6000', 'available', 1, 15, 120, 96, 2.75, 1],
];

const US_WEST: readonly Row[] = [
  ['nvidia-h200', 'x1', 'NVIDIA H200', 'available', 1, 23, 256, 141, 5, 2],
  ['nvidia-h200', 'x2', 'NVIDIA H200', 'available', 2, 46, 512, 282, 10, 2],
  ['nvidia-h200', 'x4', 'NVIDIA H200', 'available', 4, 92, 1024, 564, 20, 2],
  ['nvidia-h200', 'x8', 'NVIDIA H200', 'available', 8, 184, 2048, 1128, 40, 2],
];

const GCP: readonly Row[] = [
  ['nvidia-t4', 'x1', 'NVIDIA T4', 'available', 1, 3, 13, 16, 0.5, 1],
  ['nvidia-l4', 'x1', 'NVIDIA L4', 'available', 1, 7, 30, 24, 0.7, 2],
  ['nvidia-l4', 'x4', 'NVIDIA L4', 'available', 4, 46, 180, 96, 3.8, 2],
  ['nvidia-a100', 'x1', 'NVIDIA A100', 'available', 1, 11, 165, 80, 3.6, 1],
  ['nvidia-a100', 'x2', 'NVIDIA A100', 'available', 2, 22, 330, 160, 7.2, 1],
  ['nvidia-a100', 'x4', 'NVIDIA A100', 'available', 4, 44, 660, 320, 14.4, 1],
  ['nvidia-a100', 'x8', 'NVIDIA A100', 'available', 8, 88, 1320, 640, 28.8, 1],
  ['nvidia-h100', 'x1', 'NVIDIA H100', 'available', 1, 23, 240, 80, 10, 0],
  ['nvidia-h100', 'x8', 'NVIDIA H100', 'available', 8, 184, 1920, 640, 80, 0],
];

/** A part of Hugging Face's public price list (autumn 2026); quotas are those of the simulated account. */
export const CATALOGUE: readonly Compute[] = [
  ...at('aws', 'us-east-1', US_EAST),
  ...at('aws', 'us-east-2', US_EAST_2),
  ...at('aws', 'us-west-2', US_WEST),
  ...at('aws', 'eu-west-1', EU_WEST),
  ...at('gcp', 'us-east4', GCP),
];

function at(vendor: string, region: string, rows: readonly Row[]): Compute[] {
  return rows.map(
    ([instanceType, instanceSize, architecture, status, accelerators, cpus, memory, gpu, price, quota]) => ({
      vendor,
      region,
      accelerator: gpu === null ? 'cpu' : 'gpu',
      instanceType,
      instanceSize,
      architecture,
      status,
      numAccelerators: accelerators,
      numCpus: cpus,
      memoryGb: memory,
      gpuMemoryGb: gpu,
      pricePerHour: price,
      maxAccelerators: quota,
    }),
  );
}

/** e.g. `aws-us-east-1-nvidia-l4-x1`. */
export function computeId(compute: Compute): string {
  return [compute.vendor, compute.region, compute.instanceType, compute.instanceSize].join('-');
}

const LABELS: Readonly<Record<string, string>> = {
  'us-east-1': 'N. Virginia',
  'us-east-2': 'Ohio',
  'us-west-2': 'Oregon',
  'eu-west-1': 'Ireland',
  'us-east4': 'N. Virginia',
};

/** The body of `GET /v2/provider/{namespace}`; `used` counts accelerators in use by vendor and instance type. */
export function providerList(used: (compute: Compute) => number, maximum: (compute: Compute) => number): object {
  const vendors = [...new Set(CATALOGUE.map((compute) => compute.vendor))];
  return {
    vendors: vendors.map((vendor) => {
      const regions = [...new Set(CATALOGUE.filter((c) => c.vendor === vendor).map((c) => c.region))];
      return {
        name: vendor,
        status: 'available',
        regions: regions.map((region) => ({
          name: region,
          label: LABELS[region] ?? region,
          status: 'available',
          computes: CATALOGUE.filter((c) => c.vendor === vendor && c.region === region).map((compute) => {
            const { vendor: _vendor, region: _region, maxAccelerators: _maximum, ...rest } = compute;
            const quota = { maxAccelerators: maximum(compute), usedAccelerators: used(compute) };
            return { id: computeId(compute), ...rest, quota };
          }),
        })),
      };
    }),
  };
}
