/* Runs compiled artifacts. C11 and C++17; libc, pthread and dl only.

   A module is the artifact; a session is the memory and the threads of one inference at a time. Modules are immutable
   after `open`, so any number of sessions on any threads may share one. Every function returns a status; the sentence
   that explains a failure is anybit_last_error() of the same thread. Pointers that a caller passes stay the caller's.
 */
#ifndef ANYBIT_RUNTIME_H
#define ANYBIT_RUNTIME_H

#include "anybit/abi.h"

#include <stddef.h>
#include <stdint.h>

#if defined(__GNUC__)
#define ANYBIT_API __attribute__((visibility("default")))
#else
#define ANYBIT_API
#endif

#ifdef __cplusplus
extern "C" {
#endif

typedef enum anybit_status {
  ANYBIT_OK = 0,
  ANYBIT_INVALID_ARGUMENT = 1, /* the caller's mistake: a null pointer, an index out of range, a busy session */
  ANYBIT_INVALID_ARTIFACT = 2, /* not an artifact, truncated, altered, or inconsistent */
  ANYBIT_INCOMPATIBLE_ABI = 3, /* made for another major version of abi.h */
  ANYBIT_UNSUPPORTED_CPU = 4,  /* needs instructions that this CPU or this operating system lacks */
  ANYBIT_OUT_OF_MEMORY = 5,    /* memory or threads */
  ANYBIT_IO_ERROR = 6,         /* the file cannot be opened or read */
  ANYBIT_INTERNAL = 7
} anybit_status;

/* The constant's name without its prefix in lower case ("invalid argument"); static, never NULL. Any thread. */
ANYBIT_API const char *anybit_status_name(anybit_status status);

/* The sentence of the calling thread's last failure, "" before the first; never NULL. It belongs to the runtime and
   holds until the next failure on this thread. A success leaves it as it is. */
ANYBIT_API const char *anybit_last_error(void);

typedef struct anybit_module anybit_module;
typedef struct anybit_session anybit_session;

/* Opens a shared-library artifact. A library is code: open only what you would execute. Against accidents the file is
   checked before the loader sees it: ELF extents, note, ABI, length, checksum; the same open file is then loaded, its
   descriptor validated and its CPU features compared with this machine. *out is NULL on failure; close it with
   anybit_module_close. Any thread.
   Errors: INVALID_ARGUMENT, INVALID_ARTIFACT, INCOMPATIBLE_ABI, UNSUPPORTED_CPU, OUT_OF_MEMORY, IO_ERROR. */
ANYBIT_API anybit_status anybit_module_open(const char *path, anybit_module **out);

/* The same for an artifact that is linked into the program; the descriptor must outlive the module. Any thread.
   Errors: as anybit_module_open without IO_ERROR. */
ANYBIT_API anybit_status anybit_module_wrap(const anybit_module_descriptor *linked_in, anybit_module **out);

/* Frees the module and unloads its library, and with them the descriptor. Its sessions must have been destroyed, and no
   other call on the module may be in flight. NULL is allowed. Any thread, also while other modules are opened, used and
   closed. */
ANYBIT_API void anybit_module_close(anybit_module *module);

/* Inputs, outputs, candidates and their sizes; valid until close. NULL for NULL. Any thread. */
ANYBIT_API const anybit_module_descriptor *anybit_module_descriptor_of(const anybit_module *module);

/* Index of the candidate called `name`, -1 if there is none. Any thread. */
ANYBIT_API int32_t anybit_module_find_candidate(const anybit_module *module, const char *name);

/* Bytes of an input or output: what a caller provides per run. 0 if its type, rank, a dimension or the product is out
   of range, which no tensor of an open module is. Any thread. */
ANYBIT_API uint64_t anybit_tensor_bytes(const anybit_tensor *tensor);

typedef struct anybit_session_options {
  size_t size;       /* sizeof(anybit_session_options) */
  uint32_t threads;  /* that compute one run, the caller's among them; 0 means 1, at most 1024 */
  uint32_t reserved; /* 0 */
  void *memory;      /* aligned to ANYBIT_ALIGNMENT; NULL: the session allocates */
  size_t memory_bytes;
} anybit_session_options;

/* Bytes of the one block of memory that a session uses, exactly; thread stacks are not in it. NULL options are the
   defaults. Any thread. Errors: INVALID_ARGUMENT, OUT_OF_MEMORY if the sum leaves size_t. */
ANYBIT_API anybit_status anybit_session_bytes(const anybit_module *module, const anybit_session_options *options,
                                              size_t *bytes);

/* Creates a session on candidate 0: all memory, all threads, and with the master store the first rebuild, happen here;
   nothing is allocated afterwards. Memory of the caller must stay untouched until anybit_session_destroy. *out is NULL
   on failure. Any thread. Errors: INVALID_ARGUMENT, OUT_OF_MEMORY. */
ANYBIT_API anybit_status anybit_session_create(const anybit_module *module, const anybit_session_options *options,
                                               anybit_session **out);

/* Ends the session's threads and frees its memory. No other call on the session may be in flight. NULL is allowed. Any
   thread. */
ANYBIT_API void anybit_session_destroy(anybit_session *session);

/* Chooses the candidate of the next run; a run in flight keeps its own (numerics N8). Packed store: one atomic store.
   Master store: records a request, the latest wins; a background thread rebuilds the weights and runs use the old
   candidate until it is done. Any thread, also during a run. Errors: INVALID_ARGUMENT. */
ANYBIT_API anybit_status anybit_session_set_candidate(anybit_session *session, uint32_t index);

/* The same by name. Any thread, also during a run. Errors: INVALID_ARGUMENT, with the names that exist. */
ANYBIT_API anybit_status anybit_session_set_candidate_by_name(anybit_session *session, const char *name);

/* The candidate that a run started now would use; UINT32_MAX for NULL. Any thread. */
ANYBIT_API uint32_t anybit_session_candidate(const anybit_session *session);

/* Master store: finishes the requested rebuild with the calling thread's help, so that the next run uses the candidate
   last set. Packed store: returns at once. Any thread, also during a run. Errors: INVALID_ARGUMENT. */
ANYBIT_API anybit_status anybit_session_prepare(anybit_session *session);

/* Computes one inference. `inputs` and `outputs` have one pointer per tensor of the descriptor, to dense row-major data
   of its size, aligned to its element. Runs with round-to-nearest and without flushing subnormals whatever the caller's
   floating-point mode is, and restores that. Allocates nothing. Any thread, each run on another if need be, also during
   anybit_session_set_candidate and anybit_session_prepare; sessions run side by side. One run at a time per session: a
   second one, and one during anybit_session_set_profile, is refused. Errors: INVALID_ARGUMENT. */
ANYBIT_API anybit_status anybit_session_run(anybit_session *session, const void *const *inputs, void *const *outputs);

/* Called on the thread that runs, after each dispatch, with its wall time. It must not call anybit_session_run or
   anybit_session_set_profile of the same session. */
typedef void (*anybit_profile_function)(void *user, const anybit_dispatch *dispatch, uint64_t nanoseconds);

/* Sets the profile function of the following runs; NULL turns it off. Any thread; refused during a run and during
   another call of it on the session. Errors: INVALID_ARGUMENT. */
ANYBIT_API anybit_status anybit_session_set_profile(anybit_session *session, anybit_profile_function function,
                                                    void *user);

#ifdef __cplusplus
}
#endif
#endif /* ANYBIT_RUNTIME_H */
