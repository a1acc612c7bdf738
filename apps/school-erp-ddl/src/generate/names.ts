/** Names and words of a country, for generated data. All people are made up. */
export interface Locale {
  readonly country: string;
  readonly female: readonly string[];
  readonly male: readonly string[];
  readonly family: readonly string[];
  readonly places: readonly string[];
  readonly district: (place: string) => string;
  readonly school: (place: string, stage: number, n: number) => string;
  /** Name and code. */
  readonly subjects: readonly (readonly [string, string])[];
  readonly mailDomain: string;
}

const generic: Locale = {
  country: 'US',
  female:
    'Ada Amara Beatrix Carmen Chloe Daria Elena Fatima Freya Grace Hana Ines Ivy Jana Keiko Leila Lucia Maya Mei Nadia Noor Olivia Paula Priya Rosa Ruth Salma Sofia Tessa Uma Vera Wanda Yara Zoe'.split(
      ' ',
    ),
  male: 'Aaron Adil Ben Bruno Carlos Chen Daniel David Elias Emil Felix Finn George Hassan Hugo Ivan Jonas Kai Karim Leo Luca Marco Mateo Milan Noah Omar Oscar Pablo Quinn Rafael Samir Tariq Theo Viktor Yusuf'.split(
    ' ',
  ),
  family:
    'Adeyemi Ahmed Almeida Andersson Bauer Becker Bianchi Brown Castillo Chandra Clarke Cohen Costa Dubois Eriksen Evans Fernandes Fischer Garcia Gupta Haddad Hansen Hughes Ibrahim Ivanova Jansen Johnson Kaya Keller Khan Kim Kowalski Kumar Lambert Larsen Lee Lopez Mendes Meyer Moreau Nakamura Nguyen Novak Okafor Olsen Park Patel Pereira Popescu Quiroga Reyes Rossi Santos Sato Schmidt Silva Singh Smith Sousa Suzuki Tanaka Torres Ueda Varga Vega Wagner Walker Wang Weber Wilson Wong Yilmaz Zhang'.split(
      ' ',
    ),
  places:
    'Ashford Birchwood Cedarvale Dunmore Eastbrook Fairview Glenhaven Harborview Ironbridge Juniper Kingsley Lakeside Meadowbrook Northfield Oakridge Pinecrest Quarryhill Riverside Stonegate Thornbury Underhill Valleyfield Westbrook Yarrow'.split(
      ' ',
    ),
  district: (place) => `${place} School District`,
  school: (place, stage, n) =>
    `${place} ${['Primary', 'Middle', 'High'][stage]} School${n > 0 ? ` ${n + 1}` : ''}`,
  subjects: [
    ['English', 'ENG'],
    ['Mathematics', 'MAT'],
    ['Science', 'SCI'],
    ['History', 'HIS'],
    ['Geography', 'GEO'],
    ['Art', 'ART'],
    ['Physical Education', 'PHE'],
  ],
  mailDomain: 'example.org',
};

const indonesia: Locale = {
  country: 'ID',
  female:
    'Ayu Anisa Citra Dewi Dian Eka Fitri Gita Hesti Indah Intan Kartika Lestari Maya Melati Nadia Nur Putri Rani Ratna Rina Sari Siti Sri Tiara Utami Wulan Yuni Zahra'.split(
      ' ',
    ),
  male: 'Adi Agus Ahmad Andi Arif Bagus Bambang Bayu Budi Dedi Dimas Eko Fajar Galih Hadi Hendra Indra Irfan Joko Made Muhammad Nyoman Putra Rizki Satria Surya Teguh Wahyu Wayan Yusuf'.split(
    ' ',
  ),
  family:
    'Anggraini Fauzi Firmansyah Gunawan Hakim Halim Handayani Hartono Hasibuan Hidayat Iskandar Kurniawan Kusuma Lubis Maulana Nasution Nugroho Pangestu Permana Prasetyo Pratama Purnomo Rahman Ramadhan Saputra Setiawan Siregar Situmorang Sitorus Suharto Susanto Sutrisno Tanjung Wibowo Widodo Wijaya Wirawan Yulianto'.split(
      ' ',
    ),
  places:
    'Bandung Bekasi Bogor Cimahi Cirebon Denpasar Depok Garut Jember Kediri Kendari Kudus Lombok Madiun Magelang Makassar Malang Manado Medan Padang Palembang Pekalongan Salatiga Semarang Surabaya Surakarta Tangerang Tegal Yogyakarta'.split(
      ' ',
    ),
  district: (place) => `Dinas Pendidikan Kota ${place}`,
  school: (place, stage, n) => `${['SD', 'SMP', 'SMA'][stage]} Negeri ${n + 1} ${place}`,
  subjects: [
    ['Bahasa Indonesia', 'BIN'],
    ['Matematika', 'MTK'],
    ['Ilmu Pengetahuan Alam dan Sosial', 'IPAS'],
    ['Pendidikan Pancasila', 'PPN'],
    ['Pendidikan Agama dan Budi Pekerti', 'PAB'],
    ['Seni Budaya', 'SBD'],
    ['Pendidikan Jasmani, Olahraga, dan Kesehatan', 'PJO'],
  ],
  mailDomain: 'contoh.sch.id',
};

export const LOCALES: Readonly<Record<string, Locale>> = { generic, indonesia };
