/* Shared memory as the processor has it, and the kernel's sleep and wake. Included by the models.
 *
 * A thread's stores wait in its buffer, and a process `drain` takes them to memory at any later moment: in their order as on
 * x86 (TSO), or, with -DPSO, in order for each word only, as weaker processors may. Loads happen at once and in order; that
 * they may not is for the litmus tests. No thread here loads a word that it has in its own buffer.
 *
 * Before the include: WORDS, THREADS.
 */
byte word[WORDS];
chan buffer[THREADS] = [2] of { byte, byte };  /* word, value; a full one makes the thread wait for the drain */

#define store(t, w, value) buffer[t]!w, value
#define fence(t) (len(buffer[t]) == 0)  /* goes on when everything has reached memory */

#ifdef PSO
#else
#endif

proctype drain(byte t) {
  byte w, value;
end:
  do
#ifdef PSO
  :: atomic { buffer[t]??0, value -> word[0] = value }
  :: atomic { buffer[t]??1, value -> word[1] = value }
  :: atomic { buffer[t]??2, value -> word[2] = value }
  :: atomic { buffer[t]??3, value -> word[3] = value }
#if WORDS > 4
  :: atomic { buffer[t]??4, value -> word[4] = value }
  :: atomic { buffer[t]??5, value -> word[5] = value }
#endif
#else
  :: atomic { buffer[t]?w, value -> word[w] = value }
#endif
  od
}

/* membarrier(GLOBAL_EXPEDITED) by thread t: a fence of its own, and one in each registered process, at some moment before it
 * returns. An interrupt that finds the buffer empty is such a moment. */
#define membarrier(t, other, other_is_registered) \
  fence(t); \
  if \
  :: other_is_registered -> fence(other) \
  :: else \
  fi

/* The kernel's futex: who sleeps on which word. Its comparison and its queue are one, under its lock. A thread sleeps on two
 * words at most. */
bit queued[WORDS];
bit woken[THREADS];

/* FUTEX_WAKE has a full barrier before it looks at the queue, and FUTEX_WAIT before it compares (kernel/futex: "Full barrier (A)",
 * "(B)"). Neither is promised by the manual; -DNO_KERNEL_BARRIERS is without. */
#ifdef NO_KERNEL_BARRIERS
#define kernel_barrier(t) skip
#else
#define kernel_barrier(t) fence(t)
#endif

/* sleeper sleeps on w, and maybe also on w2 */
#define wake(t, w, w2, sleeper) \
  kernel_barrier(t); \
  atomic { \
    if \
    :: queued[w] -> queued[w] = 0; queued[w2] = 0; woken[sleeper] = 1 \
    :: else \
    fi \
  }

/* Ends asleep, or with woken[t] because a word has changed. Each word is compared and queued in its turn. */
#define sleep_on(t, w, seen, w2, seen2) \
  kernel_barrier(t); \
  atomic { \
    woken[t] = 0; \
    if \
    :: word[w] != seen -> woken[t] = 1 \
    :: else -> queued[w] = 1 \
    fi \
  }; \
  atomic { \
    if \
    :: woken[t] \
    :: !woken[t] && word[w2] != seen2 -> queued[w] = 0; woken[t] = 1 \
    :: else -> queued[w2] = 1 \
    fi \
  }
