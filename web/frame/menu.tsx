// A menu that is open: its code comes with the first click on its button.
import { Menu as Base } from '@base-ui/react/menu'
import type { MenuButtonProps } from './menu-button.tsx'
import styles from './top-bar.module.css'

export function Menu({ label, items, children }: MenuButtonProps) {
  return (
    <Base.Root defaultOpen>
      <Base.Trigger className={styles.plain} aria-label={label}>
        {children}
      </Base.Trigger>
      <Base.Portal>
        <Base.Positioner sideOffset={4} align="end">
          <Base.Popup className={styles.menu}>
            {items.map(({ id, name, act }) => (
              <Base.Item key={id} className={styles.item} onClick={act}>
                {name}
              </Base.Item>
            ))}
          </Base.Popup>
        </Base.Positioner>
      </Base.Portal>
    </Base.Root>
  )
}
