/* MKL asks this function whether it runs on an Intel processor and takes its
 * AVX-512 path only then. Preloaded, it lets MKL use AVX-512 on AMD as well. */
int mkl_serv_intel_cpu_true(void) { return 1; }
