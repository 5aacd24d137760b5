/* The installed header, found through pkg-config. */
#include <supmer.h>
