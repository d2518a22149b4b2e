/* Numbers for what JavaScript has to name. */
#include "tls.h"

#include <stdlib.h>

int32_t handles_add(struct handles *handles, void *thing) {
  if (handles->free_count > 0) {
    int32_t number = handles->free[--handles->free_count];
    handles->at[number] = thing;
    return number;
  }
  if (handles->used == handles->capacity) {
    int32_t capacity = handles->capacity == 0 ? 16 : handles->capacity * 2;
    void **at = realloc(handles->at, (size_t)capacity * sizeof *at);
    if (at != NULL) handles->at = at;
    int32_t *free_list = realloc(handles->free, (size_t)capacity * sizeof *free_list);
    if (free_list != NULL) handles->free = free_list;
    if (at == NULL || free_list == NULL) return -1;
    handles->capacity = capacity;
  }
  handles->at[handles->used] = thing;
  return handles->used++;
}

void *handles_get(const struct handles *handles, int64_t number) {
  return number >= 0 && number < handles->used ? handles->at[number] : NULL;
}

void *handles_remove(struct handles *handles, int64_t number) {
  void *thing = handles_get(handles, number);
  if (thing == NULL) return NULL;
  handles->at[number] = NULL;
  handles->free[handles->free_count++] = (int32_t)number;
  return thing;
}

void handles_clear(struct handles *handles, void (*drop)(void *thing)) {
  for (int32_t i = 0; i < handles->used; i++)
    if (handles->at[i] != NULL) drop(handles->at[i]);
  free(handles->at);
  free(handles->free);
  *handles = (struct handles){0};
}
