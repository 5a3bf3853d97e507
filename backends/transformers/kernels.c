/* What a decoding step does beside its large products, for float32 on x86-64 with AVX2 and FMA.
 *
 * PyTorch's operators are made for large tensors; at a few rows a third of a step went to starting them, and oneDNN's
 * product read its weights at two thirds of the rate that the memory allows. A row's result depends on that row alone,
 * bit for bit: no sum is divided by how many rows or threads there are. `kernels.py` says what each function is for.
 */

#include <immintrin.h>
#include <math.h>
#include <stdint.h>

enum {
  LANES = 8,        /* floats of a vector */
  BLOCK = 64,       /* outputs that oneDNN packs side by side, */
  SMALL_BLOCK = 16, /* and where threads are more than such blocks */
  SPAN = 1024,      /* inputs after which oneDNN begins a new sum; what it gives is the sum of these sums */
  DEPTH = 64,       /* inputs whose weights, 16 KiB, stay in the first cache while row after row uses them */
  ROWS = 48,        /* of a product, at most */
  KEYS = 64,        /* positions attended to at once */
  GROUP = 32        /* query heads of a key head, at most */
};

/* What these bounds are to the caller, and what this file was when it was compiled. */
const int64_t paddock_bounds[] = {ROWS, BLOCK, SMALL_BLOCK, GROUP, 4 * LANES};
const uint32_t paddock_checksum = PADDOCK_CHECKSUM;

/* e^x to about 1e-7 of it; not below e^-87, and above e^88.7 infinite. Not a number stays that.
 * x = n ln 2 + r, and a polynomial for e^r: Cephes, expf (Moshier, 1989). */
static inline __m256 exponential(__m256 x) {
  x = _mm256_min_ps(_mm256_set1_ps(89.0f), _mm256_max_ps(_mm256_set1_ps(-87.0f), x)); /* the second, if either is NaN */
  __m256 n = _mm256_round_ps(_mm256_mul_ps(x, _mm256_set1_ps(1.44269504f)), _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
  __m256 r = _mm256_fnmadd_ps(n, _mm256_set1_ps(0.693359375f), x);
  r = _mm256_fnmadd_ps(n, _mm256_set1_ps(-2.12194440e-4f), r);
  __m256 y = _mm256_set1_ps(1.9875691500e-4f);
  y = _mm256_fmadd_ps(y, r, _mm256_set1_ps(1.3981999507e-3f));
  y = _mm256_fmadd_ps(y, r, _mm256_set1_ps(8.3334519073e-3f));
  y = _mm256_fmadd_ps(y, r, _mm256_set1_ps(4.1665795894e-2f));
  y = _mm256_fmadd_ps(y, r, _mm256_set1_ps(1.6666665459e-1f));
  y = _mm256_fmadd_ps(y, r, _mm256_set1_ps(5.0000001201e-1f));
  y = _mm256_add_ps(_mm256_fmadd_ps(y, _mm256_mul_ps(r, r), r), _mm256_set1_ps(1.0f));
  __m256i power = _mm256_slli_epi32(_mm256_add_epi32(_mm256_cvtps_epi32(n), _mm256_set1_epi32(127)), 23);
  return _mm256_mul_ps(y, _mm256_castsi256_ps(power));
}

static inline float total(__m256 x) {
  __m128 sum = _mm_add_ps(_mm256_castps256_ps128(x), _mm256_extractf128_ps(x, 1));
  sum = _mm_add_ps(sum, _mm_movehl_ps(sum, sum));
  return _mm_cvtss_f32(_mm_add_ss(sum, _mm_shuffle_ps(sum, sum, 1)));
}

/* The sum of products of `count` floats, a multiple of 4 vectors. */
static inline float dot(const float *left, const float *right, int64_t count) {
  __m256 sum[4] = {_mm256_setzero_ps(), _mm256_setzero_ps(), _mm256_setzero_ps(), _mm256_setzero_ps()};
  for (int64_t i = 0; i < count; i += 4 * LANES)
    for (int part = 0; part < 4; part++)
      sum[part] = _mm256_fmadd_ps(_mm256_loadu_ps(left + i + part * LANES), _mm256_loadu_ps(right + i + part * LANES), sum[part]);
  return total(_mm256_add_ps(_mm256_add_ps(sum[0], sum[1]), _mm256_add_ps(sum[2], sum[3])));
}

/* sum[block] += x[count] packed[count][block], one multiplication after the other for each sum, as oneDNN does. */
static inline __attribute__((always_inline)) void multiply_add(const float *x, const float *packed, int64_t count, int block,
                                                              float *sum) {
  __m256 part[BLOCK / LANES];
  for (int lane = 0; lane < block / LANES; lane++) part[lane] = _mm256_load_ps(sum + lane * LANES);
  for (int64_t i = 0; i < count; i++) {
    __m256 factor = _mm256_broadcast_ss(x + i);
    for (int lane = 0; lane < block / LANES; lane++)
      part[lane] = _mm256_fmadd_ps(factor, _mm256_loadu_ps(packed + i * block + lane * LANES), part[lane]);
  }
  for (int lane = 0; lane < block / LANES; lane++) _mm256_store_ps(sum + lane * LANES, part[lane]);
}

/* `block` outputs of every row. */
static inline __attribute__((always_inline)) void multiply_block(const float *x, const float *packed, const float *other,
                                                                float *y, int64_t rows, int64_t inputs, int64_t outputs,
                                                                int block) {
  for (int64_t from = 0; from < inputs; from += SPAN) {
    int64_t until = from + SPAN < inputs ? from + SPAN : inputs;
    float sum[ROWS][BLOCK] __attribute__((aligned(32))) = {{0}};
    for (int64_t i = from; i < until; i += DEPTH) {
      int64_t depth = i + DEPTH < until ? DEPTH : until - i;
      for (int64_t row = 0; row < rows; row++) multiply_add(x + row * inputs + i, packed + i * block, depth, block, sum[row]);
    }
    for (int64_t row = 0; row < rows; row++) {
      float *to = y + row * outputs;
      for (int lane = 0; lane < block; lane++) to[lane] = from ? to[lane] + sum[row][lane] : sum[row][lane];
    }
  }
  if (other)
    for (int64_t row = 0; row < rows; row++)
      for (int lane = 0; lane < block; lane++) y[row * outputs + lane] += other[row * outputs + lane];
}

/* What follows is divided among the threads of the region around it, and ends when all of them are done. */

/* Whoever is free takes the next outputs: a thread whose processor others want holds up no more than a few. */
static void multiply(const float *x, const float *packed, const float *other, float *y, int64_t rows, int64_t inputs,
                     int64_t outputs, int64_t block) {
#pragma omp for schedule(dynamic)
  for (int64_t at = 0; at < outputs; at += block) {
    const float *weights = packed + at * inputs, *added = other ? other + at : 0;
    if (block == BLOCK) /* told apart here, so that sums stay in registers */
      multiply_block(x, weights, added, y + at, rows, inputs, outputs, BLOCK);
    else
      multiply_block(x, weights, added, y + at, rows, inputs, outputs, SMALL_BLOCK);
  }
}

static void normalize(const float *x, float *y, int64_t rows, int64_t size, float epsilon) {
#pragma omp for schedule(static)
  for (int64_t row = 0; row < rows; row++) {
    const float *from = x + row * size;
    float *to = y + row * size;
    __m256 factor = _mm256_set1_ps(1.0f / sqrtf(dot(from, from, size) / (float)size + epsilon));
    for (int64_t i = 0; i < size; i += LANES) _mm256_storeu_ps(to + i, _mm256_mul_ps(_mm256_loadu_ps(from + i), factor));
  }
}

static void gate(const float *mixed, float *y, int64_t rows, int64_t size) {
  const __m256 one = _mm256_set1_ps(1.0f), sign = _mm256_set1_ps(-0.0f);
#pragma omp for schedule(static)
  for (int64_t vector = 0; vector < rows * size / LANES; vector++) {
    int64_t row = vector * LANES / size, i = vector * LANES % size;
    __m256 open = _mm256_loadu_ps(mixed + 2 * row * size + i), up = _mm256_loadu_ps(mixed + (2 * row + 1) * size + i);
    open = _mm256_div_ps(open, _mm256_add_ps(one, exponential(_mm256_xor_ps(open, sign))));
    _mm256_storeu_ps(y + vector * LANES, _mm256_mul_ps(open, up));
  }
}

/* (a + bi) (cos + sin i), pair by pair. */
static inline void rotate(float *pairs, const float *angles, int64_t size) {
  for (int64_t i = 0; i < size; i += 2) {
    float real = pairs[i], imaginary = pairs[i + 1];
    pairs[i] = real * angles[i] - imaginary * angles[i + 1];
    pairs[i + 1] = real * angles[i + 1] + imaginary * angles[i];
  }
}

/* What one key head's query heads see of `count` keys and values, each [count, size]: attended[group, size].
 * KEYS positions at a time, with the largest score so far as the exponentials' zero (Milakov, Gimelshein, 2018). */
static void attend_head(const float *query, const float *keys, const float *values, float *attended, int64_t group,
                        int64_t size, int64_t count, float scaling) {
  float largest[GROUP], weight[GROUP];
  for (int64_t head = 0; head < group; head++) {
    largest[head] = -INFINITY, weight[head] = 0;
    for (int64_t i = 0; i < size; i++) attended[head * size + i] = 0;
  }
  for (int64_t from = 0; from < count; from += KEYS) {
    int64_t some = from + KEYS < count ? KEYS : count - from;
    for (int64_t head = 0; head < group; head++) {
      float score[KEYS] __attribute__((aligned(32)));
      float most = largest[head];
      for (int64_t key = 0; key < some; key++) {
        score[key] = scaling * dot(query + head * size, keys + (from + key) * size, size);
        most = score[key] > most || isnan(score[key]) ? score[key] : most;
      }
      for (int64_t key = some; key < KEYS; key++) score[key] = -INFINITY;
      __m256 sum = _mm256_setzero_ps();
      for (int64_t key = 0; key < some; key += LANES) {
        __m256 part = exponential(_mm256_sub_ps(_mm256_load_ps(score + key), _mm256_set1_ps(most)));
        _mm256_store_ps(score + key, part);
        sum = _mm256_add_ps(sum, part);
      }
      float kept = from ? expf(largest[head] - most) : 0;
      weight[head] = weight[head] * kept + total(sum);
      largest[head] = most;
      for (int64_t i = 0; i < size; i += 4 * LANES) {
        float *to = attended + head * size + i;
        __m256 part[4];
        for (int lane = 0; lane < 4; lane++)
          part[lane] = _mm256_mul_ps(_mm256_loadu_ps(to + lane * LANES), _mm256_set1_ps(kept));
        for (int64_t key = 0; key < some; key++) {
          __m256 factor = _mm256_broadcast_ss(score + key);
          const float *value = values + (from + key) * size + i;
          for (int lane = 0; lane < 4; lane++)
            part[lane] = _mm256_fmadd_ps(factor, _mm256_loadu_ps(value + lane * LANES), part[lane]);
        }
        for (int lane = 0; lane < 4; lane++) _mm256_storeu_ps(to + lane * LANES, part[lane]);
      }
    }
  }
  for (int64_t head = 0; head < group; head++)
    for (int64_t i = 0; i < size; i++) attended[head * size + i] /= weight[head];
}

/* Where a row's keys and values are: those of a layer and a key head at `keys` + layer * layer_stride +
 * head * capacity * size, as many positions of `size` floats as `capacity`; values `value_stride` after the keys. */
typedef struct {
  float *keys;
  int64_t layer_stride, value_stride, capacity, position;
} place;

/* Queries and keys are rotated before, if there are angles. */
static void attend(float *mixed, const float *angles, const place *places, float *attended, int64_t rows, int64_t layer,
                   int64_t heads, int64_t group, int64_t size, float scaling) {
#pragma omp for schedule(dynamic)
  for (int64_t task = 0; task < rows * heads; task++) {
    int64_t row = task / heads, head = task % heads;
    const place *at = places + row;
    float *query = mixed + (row * heads * (group + 2) + head * group) * size;
    float *key = mixed + (row * heads * (group + 2) + heads * group + head) * size, *value = key + heads * size;
    float *keys = at->keys + layer * at->layer_stride + head * at->capacity * size, *values = keys + at->value_stride;
    if (angles) {
      for (int64_t i = 0; i < group; i++) rotate(query + i * size, angles + row * size, size);
      rotate(key, angles + row * size, size);
    }
    for (int64_t i = 0; i < size; i++) {
      keys[at->position * size + i] = key[i];
      values[at->position * size + i] = value[i];
    }
    attend_head(query, keys, values, attended + task * group * size, group, size, at->position + 1, scaling);
  }
}

/* The four products of a layer, as oneDNN packs their weights: [outputs / block][inputs][block]. */
typedef struct {
  struct {
    const float *packed;
    int64_t block;
  } mixed, output, gate_up, down;
} layer;

/* y[rows, outputs] = x[rows, inputs] W^T, and `other` [rows, outputs] added where there is one.
 * At most ROWS rows; block is BLOCK or SMALL_BLOCK. */
void paddock_multiply(const float *x, const float *packed, const float *other, float *y, int64_t rows, int64_t inputs,
                      int64_t outputs, int64_t block, int threads) {
#pragma omp parallel num_threads(threads)
  multiply(x, packed, other, y, rows, inputs, outputs, block);
}

/* y[rows, size] = x / sqrt(mean of x^2 + epsilon), row by row. */
void paddock_normalize(const float *x, float *y, int64_t rows, int64_t size, float epsilon, int threads) {
#pragma omp parallel num_threads(threads) if (rows * size >= 1 << 15)
  normalize(x, y, rows, size, epsilon);
}

/* y[rows, size] = g / (1 + e^-g) u, of mixed[rows, 2 (g, u), size]. */
void paddock_gate(const float *mixed, float *y, int64_t rows, int64_t size, int threads) {
#pragma omp parallel num_threads(threads) if (rows * size >= 1 << 14)
  gate(mixed, y, rows, size);
}

/* The first `rotated` of `heads` heads of [rows, heads, size], in place, by angles[rows, size / 2 (cos, sin)]. */
void paddock_rotate(float *mixed, const float *angles, int64_t rows, int64_t heads, int64_t rotated, int64_t size,
                    int threads) {
#pragma omp parallel for schedule(static) num_threads(threads) if (rows * heads * size >= 1 << 15)
  for (int64_t row = 0; row < rows; row++)
    for (int64_t head = 0; head < rotated; head++) rotate(mixed + (row * heads + head) * size, angles + row * size, size);
}

/* Write each row's key and value at its position, and attend to all up to there:
 * attended[rows, heads * group, size] of mixed[rows, heads * group + 2 * heads, size]: queries, keys, values. */
void paddock_attend(float *mixed, const place *places, float *attended, int64_t rows, int64_t layer,
                    int64_t heads, int64_t group, int64_t size, float scaling, int threads) {
#pragma omp parallel num_threads(threads)
  attend(mixed, 0, places, attended, rows, layer, heads, group, size, scaling);
}

/* All layers, of as many tokens as there are rows, each of another request: tokens[rows, hidden], in place.
 * At most ROWS rows. `work` holds rows * (2 hidden + heads (2 group + 2) size + 3 intermediate) floats. */
void paddock_decode(const layer *layers, const place *places, const float *angles, float *tokens, float *work, int64_t rows,
                    int64_t count, int64_t hidden, int64_t intermediate, int64_t heads, int64_t group, int64_t size,
                    float scaling, float epsilon, int threads) {
  float *normed = work, *between = normed + rows * hidden, *mixed = between + rows * hidden;
  float *attended = mixed + rows * heads * (group + 2) * size, *gates = attended + rows * heads * group * size;
  float *gated = gates + 2 * rows * intermediate;
  int64_t all = heads * group * size;
#pragma omp parallel num_threads(threads)
  for (int64_t index = 0; index < count; index++) {
    const layer *at = layers + index;
    normalize(tokens, normed, rows, hidden, epsilon);
    multiply(normed, at->mixed.packed, 0, mixed, rows, hidden, all + 2 * heads * size, at->mixed.block);
    attend(mixed, angles, places, attended, rows, index, heads, group, size, scaling);
    multiply(attended, at->output.packed, tokens, between, rows, all, hidden, at->output.block);
    normalize(between, normed, rows, hidden, epsilon);
    multiply(normed, at->gate_up.packed, 0, gates, rows, hidden, 2 * intermediate, at->gate_up.block);
    gate(gates, gated, rows, intermediate);
    multiply(gated, at->down.packed, between, tokens, rows, intermediate, hidden, at->down.block);
  }
}
